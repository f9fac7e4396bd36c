// A small terminal tool over the queue of conflicts: node examples/conflicts/settle.mjs <database> <node name>
// Shows each conflict with all its versions, and writes what the person chooses.
import { createInterface } from 'node:readline';
import { createVectorSync, VectrDB } from '@agentic-flow/sqlite-vector';

const [path, nodeId] = process.argv.slice(2);
if (path === undefined || nodeId === undefined) {
  console.error('usage: node settle.mjs <database> <node name>');
  process.exit(2);
}
const db = await VectrDB.open({ path });
const sync = await createVectorSync(db, nodeId);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

try {
  const conflicts = sync.getUnresolvedConflicts();
  for (const [index, conflict] of conflicts.entries()) {
    show(conflict, `${index + 1} of ${conflicts.length}`);
    const winner = await choice(conflict);
    if (winner === undefined) continue;
    await sync.resolveConflict(conflict.id, winner);
    console.log(winner.operation === 'delete' ? 'deleted' : `kept the version of ${winner.sourceNode}`);
  }
  const left = sync.getUnresolvedConflicts().length;
  console.log(left === 0 ? '\nnothing is left to settle' : `\n${left} left to settle`);
} finally {
  await sync.close();
  await db.close();
  process.stdin.unref?.();
}

function show({ shardId, vectorId, versions, id }, place) {
  console.log(`\nconflict ${place}: '${vectorId}' in shard '${shardId}' (${id.slice(0, 12)}…)`);
  for (const [index, version] of versions.entries()) {
    const when = new Date(version.timestamp / 1000).toISOString();
    const what = version.operation === 'delete' ? 'deleted' : JSON.stringify(version.metadata ?? {});
    console.log(`  ${index + 1}  ${version.sourceNode.padEnd(8)} ${when}  ${likeness(versions[0], version)}  ${what}`);
  }
}

/** How alike two versions are: the cosine of their vectors. */
function likeness({ vector: one }, { vector: other }) {
  if (one === undefined || other === undefined || one.length !== other.length) return '     ';
  const dot = (a, b) => a.reduce((sum, component, at) => sum + component * b[at], 0);
  // One root of both squares: equal vectors are exactly alike.
  return (dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other))).toFixed(3);
}

/** A version, a delete, or nothing where the person leaves the conflict for later. */
async function choice({ versions }) {
  for (;;) {
    process.stdout.write(`keep which version? 1 to ${versions.length}, d to delete, Enter to leave it: `);
    const { value, done } = await lines.next();
    const answer = (value ?? '').trim();
    if (!process.stdin.isTTY) console.log(answer);
    if (done || answer === '') return undefined;
    if (answer === 'd') return { ...versions[0], operation: 'delete', vector: undefined, metadata: undefined };
    const version = versions[Number(answer) - 1];
    if (version !== undefined) return version;
    console.log(`'${answer}' is none of them`);
  }
}
