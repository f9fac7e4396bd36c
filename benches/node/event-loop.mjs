// How long calls with 100,000 vectors hold up the event loop: the longest time in which no timer could run, in
// milliseconds, that of an event loop with nothing to do over the same time, and how long the call takes. On Linux also
// how long the loop's thread was on a processor in one turn: what others run on a busy machine does not count there.
// `node --expose-gc benches/node/event-loop.mjs [VECTORS] [DIMENSIONS]`.
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ChangelogReader, Delta, VectorQuicSync, VectrDB, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';

const COUNT = Number(process.argv[2] ?? 100_000);
const DIMENSIONS = Number(process.argv[3] ?? 384);
const PART = 40_000_000 / (DIMENSIONS * 4);

const items = (prefix) =>
  Array.from({ length: COUNT }, (_, index) => ({
    id: `${prefix}${index}`,
    vector: new Float32Array(DIMENSIONS).fill(1 + (index % 7)),
    metadata: { index },
  }));

const db = await VectrDB.open({ shardId: 's' });
const other = await VectrDB.open({ shardId: 's' });
const query = new Float32Array(DIMENSIONS).fill(1);
let delta;

console.log(`| ${COUNT} x ${DIMENSIONS} | longest delay, ms | of an idle loop, ms | on a processor, ms | whole call, ms |\n| --- | ---: | ---: | ---: | ---: |`);
await measured('insertBatch, Float32Arrays', items('v'), (batch) => db.insertBatch(batch));
await measured(
  'insertBatch, arrays of numbers',
  items('w').map((item) => ({ ...item, vector: Array.from(item.vector) })),
  (batch) => other.insertBatch(batch),
);
await measured(
  'insertBatch in a transaction, new ids',
  items('x').map(({ id, ...item }) => item),
  (batch) => other.transaction((tx) => tx.insertBatch(batch)),
);
await measured('search, k = all', undefined, () => db.search(query, COUNT));
await measured('search, a tenth with vectors', undefined, () => db.search(query, COUNT / 10, { includeVectors: true }));
await measured('query, ids and metadata', undefined, () => db.query('SELECT id, metadata, timestamp FROM vectors'));
await measured('query, vectors too', undefined, () =>
  db.query(`SELECT id, vector FROM vectors LIMIT ${Math.floor(PART)}`),
);
await measured('iterate', undefined, () => walk({}));
await measured('iterate with vectors', undefined, () => walk({ includeVectors: true }));
await measured('readChanges', undefined, () => new ChangelogReader(db).readChanges('s', 0));
await measured('computeDelta, 40 MB', undefined, async () => {
  delta = await computeDelta(db, 0, { maxVectors: Math.floor(PART) });
});
await measured('applyDelta, 40 MB', undefined, () => applyDelta(other, delta));
const foreign = (bytes) => ({ serialize: () => bytes });
await measured('applyDelta of foreign bytes, 40 MB', foreign(delta.serialize()), (given) => applyDelta(other, given));
await measured('computeDelta, an answer, 40 MB', foreign(delta.serialize()), (given) =>
  computeDelta(other, 0, { maxVectors: 100, answerTo: given }),
);
await measured('applyDelta of a read one, 40 MB', Delta.deserialize(delta.serialize()), (read) => applyDelta(other, read));
await measured('count, digest, shards', undefined, () => Promise.all([db.count(), db.digest(), db.shards()]));
await Promise.all([db.close(), other.close()]);

// All vectors of two nodes are in conflict: each result lists them.
const [a, b] = await Promise.all(
  ['a', 'b'].map(async (name) => {
    const node = await VectrDB.open({ shardId: 's', nodeId: name });
    await node.insertBatch(Array.from({ length: COUNT }, (_, n) => ({ id: `v${n}`, vector: [n, name === 'a' ? 1 : 2] })));
    return { node, sync: new VectorQuicSync(node, name, { conflictStrategy: 'manual' }) };
  }),
);
const address = await b.sync.listen('127.0.0.1:0');
await measured(`sync, ${COUNT} conflicts`, undefined, async () => {
  const { success, error, conflictsUnresolved } = await a.sync.sync('s', address);
  if (!success || conflictsUnresolved.length !== COUNT) throw new Error(`${error}: ${conflictsUnresolved.length}`);
});
await Promise.all([a, b].map(({ sync }) => sync.close()));
await Promise.all([a, b].map(({ node }) => node.close()));

async function walk(options) {
  for await (const _ of db.iterate(options));
}

async function measured(name, given, work) {
  globalThis.gc?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  let whole;
  let worked;
  const busy = await longestDelay(async () => {
    const started = performance.now();
    worked = await longestTurn(() => work(given));
    whole = performance.now() - started;
  });
  const idle = await longestDelay(() => new Promise((resolve) => setTimeout(resolve, whole)));
  console.log(`| ${name} | ${busy.toFixed(1)} | ${idle.toFixed(1)} | ${worked} | ${whole.toFixed(0)} |`);
}

// In milliseconds, of the thread that runs the event loop.
async function longestTurn(work) {
  if (process.platform !== 'linux') {
    await work();
    return '';
  }
  const onProcessor = () => Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  let [most, last, running] = [0, onProcessor(), true];
  const look = () => {
    const now = onProcessor();
    [most, last] = [Math.max(most, now - last), now];
    if (running) setTimeout(look, 1);
  };
  look();
  await work();
  running = false;
  look();
  return most.toFixed(1);
}

async function longestDelay(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.reset();
  await work();
  // What held up the loop last is seen by the next tick only.
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return delay.max / 1e6;
}
