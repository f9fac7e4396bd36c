// ChangelogReader: what was applied, as changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangelogReader, Delta, DeltaEncoder, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';
import { ChangelogReader as FromSync } from '@agentic-flow/sqlite-vector/sync';
import { content, engine, fails, file, open, phraseItems } from './support.mjs';

test('changes come in the order of their ids, from behind one up to another', async (t) => {
  const db = await open(t, { path: file(), nodeId: 'node-1', shardId: 'notes' });
  const reader = new ChangelogReader(db);
  assert.equal(ChangelogReader, FromSync);
  assert.equal(await reader.getLatestChangeId('notes'), 0);
  assert.deepEqual(await reader.readChanges('notes', 0), []);
  await db.insert([1, 2], { n: 1 }, { id: 'a' });
  await db.insert([3, 4], undefined, { id: 'b' });
  await db.insert([5, 6], { n: 3 }, { id: 'c' });
  await db.update('a', [7, 8]);
  await db.delete('b');
  const [site] = (await reader.getVersionVector('notes')).keys();
  assert.match(site, /^node-1@[0-9a-f]{16}$/);
  const shown = (changes) => changes.map(({ id, operation, vectorId }) => [id, operation, vectorId]);
  const all = await reader.readChanges('notes', 0);
  assert.deepEqual(shown(all), [[3, 'insert', 'c'], [4, 'update', 'a'], [5, 'delete', 'b']]);
  assert.deepEqual(shown(await reader.readChanges('notes', 3, 4)), [[4, 'update', 'a']]);
  assert.deepEqual(shown(await reader.readChanges('notes', 4)), [[5, 'delete', 'b']]);
  assert.deepEqual(await reader.readChanges('notes', 5), []);
  assert.deepEqual(await reader.readChanges('notes', 4, 2), []);
  assert.equal(await reader.getLatestChangeId('notes'), 5);
  const [inserted, updated, deleted] = all;
  assert.deepEqual(inserted.vector, new Float32Array([5, 6]));
  assert.deepEqual([updated.metadata, deleted.metadata, deleted.vector], [{ n: 1 }, undefined, undefined]);
  assert.deepEqual([inserted.shardId, inserted.sourceNode, inserted.dot], ['notes', 'node-1', { site, seq: 3 }]);
  assert.deepEqual(updated.versionVector, new Map([[site, 4]]));
  assert.equal(updated.timestamp, (await db.get('a')).timestamp);
});

test('the engine and the reader name the same changes and the same sites', async (t) => {
  const db = await open(t, { path: file(), shardId: 'notes' });
  const sync = await engine(t, db, 'node-1');
  await db.insertBatch(phraseItems(20));
  const state = await sync.getShardState('notes');
  const reader = new ChangelogReader(db);
  assert.equal(await reader.getLatestChangeId('notes'), state.currentChangeId);
  assert.deepEqual(await reader.getVersionVector('notes'), state.versionVector);
});

test('changes that were read are a delta again', async (t) => {
  const a = await open(t, { path: file('a.db'), shardId: 'notes' });
  const b = await open(t, { path: file('b.db'), shardId: 'notes' });
  await a.insertBatch(phraseItems(30));
  const changes = await new ChangelogReader(a).readChanges('notes', 0);
  for (const batch of DeltaEncoder.batch(changes, 7).reverse()) {
    await applyDelta(b, new Delta(DeltaEncoder.encode('notes', batch, 'zstd')));
  }
  assert.equal(await a.digest(), await b.digest());
  assert.deepEqual(await content(a, 'notes'), await content(b, 'notes'));
});

test('a version vector takes in what the shard really holds, and nothing more', async (t) => {
  const a = await open(t, { path: file('a.db'), nodeId: 'a', shardId: 'notes' });
  const b = await open(t, { path: file('b.db'), nodeId: 'b', shardId: 'notes' });
  const [ours, theirs] = [new ChangelogReader(a), new ChangelogReader(b)];
  await a.insertBatch(phraseItems(5));
  const held = await ours.getVersionVector('notes');
  await fails('ERR_NOT_HELD', () => theirs.updateVersionVector('notes', held), /up to 0, not up to 5/);
  await applyDelta(b, await computeDelta(a, 0));
  assert.deepEqual(await theirs.getVersionVector('notes'), new Map());
  await theirs.updateVersionVector('notes', held);
  assert.deepEqual(await theirs.getVersionVector('notes'), held);
  const [[site, seq]] = held;
  await fails('ERR_NOT_HELD', () => theirs.updateVersionVector('notes', new Map([[site, seq + 1]])));
  await fails('ERR_NOT_HELD', () => ours.updateVersionVector('notes', new Map([[site, seq + 1]])));
  await fails('ERR_NOT_HELD', () => theirs.updateVersionVector('notes', new Map([[site, seq], ['other', 1]])));
  await theirs.updateVersionVector('notes', new Map([[site, 2], ['other', 0]]));
  assert.deepEqual(await theirs.getVersionVector('notes'), held);
});

test('arguments of the wrong kind are named', async (t) => {
  const db = await open(t, { shardId: 'notes' });
  const reader = new ChangelogReader(db);
  assert.throws(() => new ChangelogReader({}), { code: 'ERR_ARGUMENT', name: 'TypeError' });
  for (const work of [
    () => reader.readChanges(5, 0),
    () => reader.readChanges('notes'),
    () => reader.readChanges('notes', -1),
    () => reader.readChanges('notes', 0, 1.5),
    () => reader.getLatestChangeId(''),
    () => reader.getVersionVector(),
    () => reader.updateVersionVector('notes', { a: 1 }),
    () => reader.updateVersionVector('notes', new Map([['a', -1]])),
  ]) {
    await fails('ERR_ARGUMENT', work);
  }
  await db.close();
  await fails('ERR_CLOSED', () => reader.readChanges('notes', 0));
  await fails('ERR_CLOSED', () => reader.updateVersionVector('notes', new Map([['a@0000000000000001', 1]])));
});
