// Conflicts that a person settles: shown alike on every node, settled on one, and gone everywhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { startNode } from './actors/process.mjs';
import { engine, fails, file, node, open, synced } from './support.mjs';

const MANUAL = { config: { conflictStrategy: 'manual' } };

/** Nodes that have each written their own version of 'v', and know all of them. */
async function inConflict(t, count, write = ({ db }, index) => db.insert([index], { writer: index }, { id: 'v' })) {
  const all = [];
  for (let index = 0; index < count; index++) all.push(await node(t, `node-${index}`, MANUAL));
  for (const [index, each] of all.entries()) await write(each, index);
  await settle(all);
  return all;
}

/** Every node with every other, twice. */
async function settle(all) {
  for (let round = 0; round < 2; round++) {
    for (const from of all) for (const to of all) if (from !== to) await synced(from, to);
  }
}

const idsOf = ({ sync }) => sync.getUnresolvedConflicts('shared').map(({ id }) => id);

test('a three-way conflict that one node settles is gone on all of them', async (t) => {
  const all = await inConflict(t, 3);
  const [conflict] = all[1].sync.getUnresolvedConflicts();
  assert.deepEqual(conflict.versions.map(({ metadata }) => metadata.writer).sort(), [0, 1, 2]);
  for (const each of all) assert.deepEqual(idsOf(each), [conflict.id]);

  const chosen = conflict.versions.find(({ sourceNode }) => sourceNode === 'node-0');
  assert.equal(await all[1].sync.resolveConflict(conflict.id, chosen), undefined);
  assert.deepEqual(idsOf(all[1]), []);
  assert.deepEqual(idsOf(all[0]), [conflict.id], 'the others have not heard yet');
  await settle(all);
  for (const each of all) {
    assert.deepEqual(idsOf(each), []);
    const { vector, metadata, conflicted } = await each.db.get('v');
    assert.deepEqual([[...vector], metadata, conflicted], [[0], { writer: 0 }, false]);
    assert.equal(await each.db.digest(), await all[0].db.digest());
  }
});

test('a winner may be a change of anyone, or a deletion', async (t) => {
  const all = await inConflict(t, 2, async ({ db }, index) => {
    for (const id of ['edited', 'deleted', 'emptied']) await db.insert([index, 1], { index }, { id });
  });
  const [a, b] = all;
  const of = (vectorId) => a.sync.getUnresolvedConflicts().find((conflict) => conflict.vectorId === vectorId);
  await a.sync.resolveConflict(of('edited').id, {
    ...of('edited').localChange,
    vector: new Float32Array([7, 8]),
    metadata: { by: 'a person' },
  });
  await a.sync.resolveConflict(of('deleted').id, { ...of('deleted').localChange, operation: 'delete' });
  await a.sync.resolveConflict(of('emptied').id, { shardId: 'shared', vectorId: 'emptied' });
  await settle(all);
  for (const { db, sync } of [a, b]) {
    assert.deepEqual(sync.getUnresolvedConflicts(), []);
    const { vector, metadata } = await db.get('edited');
    assert.deepEqual([[...vector], metadata], [[7, 8], { by: 'a person' }]);
    assert.deepEqual([await db.get('deleted'), await db.get('emptied')], [null, null]);
  }
});

test('a version that came after the conflict was shown reopens it', async (t) => {
  const all = await inConflict(t, 3);
  const [a, b, c] = all;
  const [shown] = a.sync.getUnresolvedConflicts();
  await c.db.update('v', [33], { writer: 'late' });
  // The late version supersedes all three. Another one beside it comes from a node that settled meanwhile.
  await b.sync.resolveConflict(shown.id, shown.versions[0]);
  await synced(a, c);
  await fails('ERR_NOT_FOUND', () => a.sync.resolveConflict(shown.id, shown.localChange), new RegExp(shown.id));
  await settle(all);
  const [reopened] = a.sync.getUnresolvedConflicts();
  assert.notEqual(reopened.id, shown.id);
  assert.equal(reopened.versions.length, 2);
  for (const each of all) assert.deepEqual(idsOf(each), [reopened.id]);
  await c.sync.resolveConflict(reopened.id, reopened.localChange);
  await settle(all);
  for (const each of all) assert.deepEqual(idsOf(each), []);
});

test('a version that the settled conflict did not show stays in conflict with the decision', async (t) => {
  const [a, b] = await inConflict(t, 2);
  const c = await node(t, 'node-2', MANUAL);
  await c.db.insert([2], { writer: 2 }, { id: 'v' });
  const [shown] = a.sync.getUnresolvedConflicts();
  await synced(a, c);
  assert.notDeepEqual(idsOf(a), [shown.id]);
  await a.sync.resolveConflict(shown.id, shown.localChange);
  const [left] = a.sync.getUnresolvedConflicts();
  assert.deepEqual(left.versions.map(({ metadata }) => metadata.writer).sort(), [1, 2]);
  await settle([a, b, c]);
  for (const each of [a, b, c]) assert.deepEqual(idsOf(each), [left.id]);
});

test('the queue outlives the process, and needs no engine that was used', async (t) => {
  const path = file('a.db');
  const a = await startNode(t, { path, name: 'node-a', listen: false, ...MANUAL });
  const b = await node(t, 'node-b', MANUAL);
  await a.db('insert', [1], { writer: 'a' }, { id: 'v' });
  await b.db.insert([2], { writer: 'b' }, { id: 'v' });
  assert.ok((await a.sync('sync', 'shared', b.address)).success);
  const [{ id, detectedAt }] = await a.sync('getUnresolvedConflicts');
  await a.kill();

  const again = await startNode(t, { path, name: 'node-a', listen: false, ...MANUAL });
  assert.deepEqual((await again.sync('getUnresolvedConflicts')).map((each) => [each.id, each.detectedAt]), [
    [id, detectedAt],
  ]);
  await again.kill();

  const db = await open(t, { path });
  const sync = new VectorQuicSync(db, 'node-a');
  t.after(() => sync.close());
  const [conflict] = sync.getUnresolvedConflicts();
  assert.deepEqual([conflict.id, sync.getSession()], [id, null]);
  await sync.resolveConflict(id, conflict.localChange);
  assert.deepEqual(sync.getUnresolvedConflicts(), []);
  assert.ok((await sync.sync('shared', b.address)).success);
  assert.deepEqual(idsOf(b), []);
});

test('what cannot settle a conflict changes nothing', async (t) => {
  const [a] = await inConflict(t, 2);
  const [{ id, localChange }] = a.sync.getUnresolvedConflicts();
  for (const bad of [undefined, null, 5, 'local', [], {}, { shardId: 'shared' }, { vectorId: 'v' }]) {
    await fails('ERR_ARGUMENT', () => a.sync.resolveConflict(id, bad));
  }
  for (const bad of [
    { ...localChange, shardId: 'other' },
    { ...localChange, vectorId: 'other' },
    { ...localChange, operation: 'remove' },
    { ...localChange, vector: undefined },
    { ...localChange, vector: '1' },
    { ...localChange, metadata: [] },
  ]) {
    await fails('ERR_ARGUMENT', () => a.sync.resolveConflict(id, bad));
  }
  for (const bad of [undefined, null, 5, '', 'ab', `${id}0`]) {
    await fails('ERR_ARGUMENT', () => a.sync.resolveConflict(bad, localChange));
  }
  await fails('ERR_VECTOR', () => a.sync.resolveConflict(id, { ...localChange, vector: [NaN] }));
  await fails('ERR_DIMENSIONS', () => a.sync.resolveConflict(id, { ...localChange, vector: [1, 2] }));
  await fails('ERR_NOT_FOUND', () => a.sync.resolveConflict('0'.repeat(32), localChange));
  assert.deepEqual(idsOf(a), [id]);
});

test('another strategy reads the kept versions anew, and back', async (t) => {
  const [a, b] = await inConflict(t, 2);
  await a.sync.close();
  const merging = await engine(t, a.db, 'node-0', { conflictStrategy: 'merge' });
  assert.ok((await merging.sync('shared', b.address)).success);
  assert.deepEqual([...(await a.db.get('v')).vector], [0.5]);
  assert.deepEqual(merging.getUnresolvedConflicts(), []);
  await merging.close();
  const asking = await engine(t, a.db, 'node-0', { conflictStrategy: 'manual' });
  assert.ok((await asking.sync('shared', b.address)).success);
  assert.deepEqual(
    asking.getUnresolvedConflicts().map(({ id }) => id),
    idsOf(b),
  );
});

test('in memory, an open transaction shows what was read last', async (t) => {
  const db = await open(t, { shardId: 'shared' });
  const sync = await engine(t, db, 'a', MANUAL.config);
  const b = await node(t, 'b', MANUAL);
  await db.insert([1], undefined, { id: 'v' });
  await b.db.insert([2], undefined, { id: 'v' });
  assert.ok((await sync.sync('shared', b.address)).success);
  const [{ id }] = sync.getUnresolvedConflicts();
  await db.beginTransaction();
  assert.deepEqual(sync.getUnresolvedConflicts().map((conflict) => conflict.id), [id]);
  await db.rollback();
});
