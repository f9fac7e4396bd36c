// computeDelta and applyDelta: databases that tell each other what they applied, by deltas alone or beside syncs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictResolver, Delta, DeltaEncoder, VectrDB, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';
import { Delta as FromDelta, resolveDeltas } from '@agentic-flow/sqlite-vector/delta';
import * as fromSync from '@agentic-flow/sqlite-vector/sync';
import { content, fails, file, node, open, phrase, phraseItems, synced } from './support.mjs';

const NOTES = { shardId: 'notes' };

/** Two databases of one shard. */
function pair(t) {
  return Promise.all(['a', 'b'].map((name) => open(t, { path: file(`${name}.db`), nodeId: name, ...NOTES })));
}

async function same(a, b, shardId = 'notes') {
  assert.equal(await a.digest(shardId), await b.digest(shardId));
  assert.deepEqual(await content(a, shardId), await content(b, shardId));
}

test('a delta goes as bytes and comes back as what was written', async (t) => {
  const [a, b] = await pair(t);
  await a.insertBatch(phraseItems(50));
  await a.update('p3', phrase(99));
  await a.update('p4', undefined, { text: 'é', nested: [1.5, null] });
  await a.delete('p5');
  const delta = await computeDelta(a, 0);
  assert.ok(delta instanceof Delta && Delta === FromDelta);
  assert.equal(fromSync.computeDelta, computeDelta);
  assert.deepEqual([delta.shardId, delta.vectorCount, delta.operations.length], ['notes', 50, 50]);
  assert.deepEqual(delta.conflicts, []);
  const bytes = delta.serialize();
  const received = Delta.deserialize(bytes);
  assert.equal(received.timestamp, delta.timestamp);
  assert.deepEqual(received.operations, delta.operations);
  const [deleted] = delta.operations.filter(({ vectorId }) => vectorId === 'p5');
  assert.deepEqual([deleted.type, deleted.vector], ['delete', undefined]);
  await applyDelta(b, received);
  await same(a, b);
  await applyDelta(b, delta);
  await same(a, b);
  const numbers = ({ changes }) => changes.map(({ vectorId, dot }) => `${vectorId} ${dot.site} ${dot.seq}`).sort();
  assert.deepEqual(numbers(await computeDelta(b, 0)), numbers(delta));
});

test('passing the timestamp on loses nothing, whatever happens between and during the calls', async (t) => {
  const path = file('a.db');
  let a = await VectrDB.open({ path, ...NOTES });
  t.after(() => a.close());
  const b = await open(t, { path: file('b.db'), ...NOTES });
  let since = 0;
  const tell = async () => {
    const delta = await computeDelta(a, since);
    since = delta.timestamp;
    await applyDelta(b, Delta.deserialize(delta.serialize()));
    return delta.vectorCount;
  };
  for (let round = 0; round < 10; round++) {
    // Neither side waits for the other.
    const writes = Array.from({ length: 20 }, (_, index) => a.upsert(`v${(round * 7 + index) % 50}`, [round, index]));
    await Promise.all([...writes, tell(), tell(), a.insertBatch([{ vector: [1, 1] }, { vector: [2, 2] }]), tell()]);
    if (round % 4 === 3) {
      await a.close();
      a = await VectrDB.open({ path, ...NOTES });
    }
  }
  await tell();
  assert.equal(await tell(), 0);
  await same(a, b);
});

test('an answer does not echo, and an exchange comes to rest', async (t) => {
  const [a, b] = await pair(t);
  await a.insert([1, 2], { by: 'a' }, { id: 'one' });
  await b.insert([3, 4], { by: 'b' }, { id: 'two' });
  const asked = await computeDelta(a, 0);
  await applyDelta(b, asked);
  const answer = await computeDelta(b, 0, { answerTo: asked });
  assert.deepEqual(answer.operations.map(({ vectorId }) => vectorId), ['two']);
  await applyDelta(a, answer);
  await same(a, b);
  const again = await computeDelta(a, asked.timestamp, { answerTo: answer });
  assert.equal(again.vectorCount, 0);
  // Without the option a change goes back once, and no further.
  const echo = await computeDelta(a, asked.timestamp);
  assert.deepEqual(echo.operations.map(({ vectorId }) => vectorId), ['two']);
  await applyDelta(b, echo);
  assert.equal((await computeDelta(b, answer.timestamp)).vectorCount, 0);
});

test('concurrent versions stand side by side and are the same conflict everywhere', async (t) => {
  const [a, b] = await pair(t);
  await a.upsert('v', [1, 0], { by: 'a' });
  await b.upsert('v', [0, 1], { by: 'b' });
  const [ours, theirs] = [await computeDelta(a, 0), await computeDelta(b, 0)];
  await applyDelta(a, theirs);
  await applyDelta(b, ours);
  await same(a, b);
  const both = await computeDelta(a, 0);
  assert.deepEqual([both.vectorCount, both.operations.length, both.conflicts.length], [1, 2, 1]);
  const [{ vectorId, localVersion, remoteVersion, resolution }] = both.conflicts;
  assert.deepEqual([vectorId, resolution], ['v', 'local_wins']);
  assert.ok(localVersion >= remoteVersion);
  const { conflicts } = new ConflictResolver().resolveAll(both.changes, []);
  assert.equal(conflicts.length, 1);
  // What the strategies make of two deltas is a delta too.
  const c = await open(t, { ...NOTES });
  const merged = Delta.deserialize(resolveDeltas(ours.serialize(), theirs.serialize(), 'merge'));
  await applyDelta(c, merged);
  await applyDelta(c, both);
  assert.deepEqual((await c.get('v')).vector, new Float32Array([0.5, 0.5]));
  await applyDelta(a, await computeDelta(c, 0));
  await same(a, c);
});

test('the shard is that of the call, under whatever name the delta has it', async (t) => {
  const [a, b] = [await open(t, { path: file('agent_1.db') }), await open(t, { path: file('agent_2.db') })];
  assert.deepEqual([a.shardId, b.shardId], ['agent_1', 'agent_2']);
  await a.insert([1, 2], { n: 1 }, { id: 'one' });
  await applyDelta(b, await computeDelta(a, 0));
  assert.deepEqual((await b.get('one')).metadata, { n: 1 });
  await b.update('one', [5, 6]);
  await applyDelta(a, await computeDelta(b, 0));
  assert.deepEqual((await a.get('one')).vector, new Float32Array([5, 6]));
  await applyDelta(a, await computeDelta(b, 0, { shardId: 'agent_2' }), { shardId: 'copy' });
  assert.deepEqual(await a.shards(), ['agent_1', 'copy']);
  assert.equal((await computeDelta(a, 0, { shardId: 'nothing' })).vectorCount, 0);
});

test('deltas and syncs between the same nodes lose nothing and end equal', async (t) => {
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => node(t, name, { shardId: 'shared' })));
  const since = new Map();
  const tell = async (from, to) => {
    const key = `${from.name}${to.name}`;
    const delta = await computeDelta(from.db, since.get(key) ?? 0);
    since.set(key, delta.timestamp);
    await applyDelta(to.db, delta);
    return delta.vectorCount;
  };
  const [a, b, c] = nodes;
  for (let round = 0; round < 6; round++) {
    for (const [at, { db, name }] of nodes.entries()) {
      await db.upsert(`own-${name}`, [round, at]);
      await db.upsert('shared', [at, round]);
    }
    await Promise.all([tell(a, b), synced(b, c), tell(c, a), a.db.upsert('late', [round, 0])]);
  }
  await tell(a, b);
  await synced(b, c);
  await synced(c, a);
  await synced(a, b);
  assert.equal(new Set(await Promise.all(nodes.map(({ db }) => db.digest('shared')))).size, 1);
  for (const { db } of nodes) {
    for (const { name } of nodes) assert.deepEqual((await db.get(`own-${name}`)).vector[0], 5);
  }
  // What came by delta is covered by the version vectors once a sync has ended.
  assert.equal((await synced(a, c)).changesSent, 0);
});

test('vectors come a few at a time, or not at all', async (t) => {
  const [a, b] = await pair(t);
  await a.insertBatch(phraseItems(30));
  const counts = [];
  for (let since = 0; ; ) {
    const delta = await computeDelta(a, since, { maxVectors: 8 });
    if (delta.vectorCount === 0) break;
    counts.push(delta.vectorCount);
    await applyDelta(b, delta);
    since = delta.timestamp;
  }
  assert.deepEqual(counts, [8, 8, 8, 6]);
  await same(a, b);
});

test('a delta that was cut or altered is refused, and nothing of it stays', async (t) => {
  const [a, b] = await pair(t);
  await a.insertBatch(phraseItems(5));
  const bytes = (await computeDelta(a, 0)).serialize();
  const as = (altered) => ({ serialize: () => altered });
  for (const length of [0, 10, 56, bytes.length - 1]) {
    await fails('ERR_PROTOCOL', () => applyDelta(b, as(bytes.slice(0, length))));
  }
  for (const at of [20, 60, 400, bytes.length - 3]) {
    const altered = bytes.slice();
    altered[at] ^= 4;
    await fails('ERR_CHECKSUM', () => applyDelta(b, as(altered)));
    assert.throws(() => Delta.deserialize(altered), { code: 'ERR_CHECKSUM' });
  }
  // What people make by hand has no site.
  const vector = new Float32Array([1]);
  const change = { id: 1, operation: 'insert', shardId: 'notes', vectorId: 'x', vector, sourceNode: 'node-1' };
  const deltaOf = (rest) => new Delta(DeltaEncoder.encode('notes', [{ ...change, ...rest }]));
  const byHand = deltaOf({ timestamp: 1, versionVector: new Map([['node-1', 1]]) });
  await fails('ERR_ARGUMENT', () => applyDelta(b, byHand), /'node-1' names no site/);
  // A site by its digits is one, as everywhere.
  const key = 'node-1@00000000000000aa';
  const numbered = { versionVector: new Map([[key, 1]]), dot: { site: key, seq: 1 } };
  const late = deltaOf({ timestamp: Date.now() * 1000 + 120_000_000, ...numbered });
  await fails('ERR_CLOCK_SKEW', () => applyDelta(b, late), /'x' is stamped 1\d\d s ahead/);
  assert.deepEqual([await b.shards(), await b.count()], [[], 0]);
  await applyDelta(b, deltaOf({ timestamp: 5, ...numbered }));
  assert.equal(await b.count(), 1);
  await fails('ERR_DIMENSIONS', async () => applyDelta(b, await computeDelta(a, 0)), /nothing of the delta is applied/);
  assert.equal(await b.count(), 1);
});

test('arguments of the wrong kind are named, and a closed database says so', async (t) => {
  const [a] = await pair(t);
  const delta = await computeDelta(a, 0);
  for (const work of [
    () => computeDelta({}, 0),
    () => computeDelta(a, '0'),
    () => computeDelta(a, -1),
    () => computeDelta(a, 1.5),
    () => computeDelta(a, 0, { shard: 'notes' }),
    () => computeDelta(a, 0, { maxVectors: 0 }),
    () => computeDelta(a, 0, { answerTo: delta.serialize() }),
    () => applyDelta(a, delta.serialize()),
    () => applyDelta(a, { serialize: () => 'bytes' }),
    () => applyDelta(a, undefined),
    () => applyDelta(a, delta, { shardId: 5 }),
  ]) {
    await fails('ERR_ARGUMENT', work);
  }
  await a.close();
  await fails('ERR_CLOSED', () => computeDelta(a, 0));
  await fails('ERR_CLOSED', () => applyDelta(a, delta));
});

test('a transaction that is open meanwhile is in this delta or in the next', async (t) => {
  const a = await open(t, { path: file('a.db'), ...NOTES });
  await a.insert([1], {}, { id: 'before' });
  await a.beginTransaction();
  await a.insert([2], {}, { id: 'inside' });
  // It may have to wait for the end of the transaction, as an arriving sync does.
  const computing = computeDelta(a, 0);
  await a.commit();
  const first = await computing;
  const second = await computeDelta(a, first.timestamp);
  const ids = [first, second].flatMap(({ operations }) => operations.map(({ vectorId }) => vectorId));
  assert.deepEqual(ids, ['before', 'inside']);
});
