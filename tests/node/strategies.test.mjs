// Concurrent edits: all nodes show the same bits afterwards, under each strategy, with equal stamps too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictResolver } from '@agentic-flow/sqlite-vector/delta';
import { content, node, phrase, synced } from './support.mjs';

const STRATEGIES = ['last-write-wins', 'first-write-wins', 'merge', 'manual'];

async function nodes(t, count, conflictStrategy) {
  const made = [];
  for (let index = 0; index < count; index++)
    made.push(await node(t, `node-${index}`, { config: { conflictStrategy } }));
  return made;
}

/** Every node with every other, twice: what the first round brought to one goes on to the others in the second. */
async function settle(all) {
  for (let round = 0; round < 2; round++) {
    for (const from of all) for (const to of all) if (from !== to) await synced(from, to);
  }
}

async function showTheSame(all) {
  const [first, ...others] = all;
  const expected = await content(first.db);
  for (const other of others) {
    assert.deepEqual(await content(other.db), expected);
    assert.equal(await other.db.digest(), await first.db.digest());
  }
  return expected;
}

/**
 * Writes 'tie' on every node with one and the same stamp. A transaction reads the wall clock once, when it begins, and
 * each of its writes is stamped at least a microsecond after the one before: so many writes elsewhere as the other
 * node's clock is ahead bring this node's to the same stamp.
 */
async function writeWithEqualStamps([first, ...others]) {
  const marks = [];
  for (const { db } of others) {
    await db.beginTransaction();
    await db.upsert('mark', [0], undefined, { shardId: 'ballast' });
    marks.push((await db.get('mark', { shardId: 'ballast' })).timestamp);
  }
  await first.db.upsert('tie', phrase(0), { writer: 0, only0: true });
  const { timestamp } = await first.db.get('tie');
  for (const [index, { db }] of others.entries()) {
    const ballast = Array.from({ length: timestamp - marks[index] - 1 }, () => ({ vector: [0] }));
    await db.insertBatch(ballast, { shardId: 'ballast' });
    await db.upsert('tie', phrase(index + 1), { writer: index + 1, [`only${index + 1}`]: true });
    await db.commit();
    assert.equal((await db.get('tie')).timestamp, timestamp, 'the stamps are equal');
  }
}

for (const strategy of STRATEGIES) {
  for (const count of [2, 3]) {
    test(`${strategy}: ${count} nodes show the same after concurrent edits`, async (t) => {
      const all = await nodes(t, count, strategy);
      await all[0].db.insertBatch(
        [1, 2, 3, 4].map((number) => ({ id: `v${number}`, vector: phrase(number), metadata: { number } })),
      );
      await settle(all);
      for (const [index, { db }] of all.entries()) {
        await db.update('v1', phrase(100 + index), { writer: index, [`key${index}`]: index });
        await db.update('v2', undefined, { writer: index });
        if (index === 0) await db.delete('v3');
        else await db.update('v3', phrase(200 + index));
        await db.upsert('new', phrase(300 + index), { from: index });
      }
      await writeWithEqualStamps(all);
      await settle(all);
      const shown = await showTheSame(all);
      for (const { id } of shown) {
        const entries = await Promise.all(all.map(({ db }) => db.get(id)));
        for (const entry of entries) assert.deepEqual(entry, entries[0]);
        const isContested = id !== 'v4';
        assert.equal(entries[0].conflicted, strategy === 'manual' && isContested, id);
      }
      // A third sync moves nothing.
      assert.equal((await synced(all[0], all[1])).changesApplied, 0);
    });
  }
}

test('last-write-wins shows the last writer, first-write-wins the first', async (t) => {
  for (const [strategy, winner] of [
    ['last-write-wins', 1],
    ['first-write-wins', 0],
  ]) {
    const all = await nodes(t, 2, strategy);
    await all[0].db.insert(phrase(0), { writer: 0 }, { id: 'v' });
    await all[1].db.insert(phrase(1), { writer: 1 }, { id: 'v' });
    const result = await synced(all[0], all[1]);
    assert.deepEqual([result.conflictsDetected, result.conflictsResolved], [1, 1]);
    for (const { db } of all) assert.deepEqual((await db.get('v')).metadata, { writer: winner });
  }
});

test('merge shows the mean, and each key from the latest that has it', async (t) => {
  const all = await nodes(t, 2, 'merge');
  await all[0].db.insert([1, 0], { a: 1, both: 'old' }, { id: 'v' });
  await all[1].db.insert([3, 1], { b: 2, both: 'new' }, { id: 'v' });
  await synced(all[0], all[1]);
  for (const { db } of all) {
    const { vector, metadata } = await db.get('v');
    assert.deepEqual([...vector], [2, 0.5]);
    assert.deepEqual(metadata, { a: 1, b: 2, both: 'new' });
  }
});

test('manual keeps all versions, and tells them alike on every node', async (t) => {
  const all = await nodes(t, 2, 'manual');
  await all[0].db.insert([1], { writer: 0 }, { id: 'v' });
  await all[1].db.insert([2], { writer: 1 }, { id: 'v' });
  await all[0].db.insert([1], undefined, { id: 'gone' });
  await synced(all[0], all[1]);
  await all[0].db.delete('gone');
  await all[1].db.update('gone', [7]);
  const result = await synced(all[0], all[1]);
  assert.deepEqual([result.conflictsDetected, result.conflictsResolved], [1, 0]);
  const [here, there] = all.map(({ sync }) =>
    sync.getUnresolvedConflicts('shared').sort((a, b) => (a.vectorId < b.vectorId ? -1 : 1)),
  );
  assert.deepEqual(
    here.map((conflict) => conflict.vectorId),
    ['gone', 'v'],
  );
  assert.deepEqual(
    here.map((conflict) => conflict.id),
    there.map((conflict) => conflict.id),
  );
  assert.deepEqual(
    result.conflictsUnresolved.map((conflict) => conflict.id).sort(),
    here.map((conflict) => conflict.id).sort(),
  );

  const [, conflict] = here;
  assert.deepEqual([...conflict.localChange.vector], [2], 'the last writer');
  assert.deepEqual([...conflict.remoteChange.vector], [1]);
  assert.equal(conflict.localChange.sourceNode, 'node-1');
  assert.equal(conflict.localChange.operation, 'insert');
  assert.deepEqual(conflict.localChange.metadata, { writer: 1 });
  assert.match(conflict.localChange.dot.site, /^node-1@[0-9a-f]{16}$/);
  for (const [version, other] of [conflict.versions, conflict.versions.toReversed()]) {
    assert.equal(version.versionVector.get(version.dot.site), version.dot.seq);
    assert.ok((version.versionVector.get(other.dot.site) ?? 0) < other.dot.seq, 'no version covers the other one');
  }
  const { winner, conflict: again } = new ConflictResolver().resolve(...conflict.versions);
  assert.deepEqual([winner, again.id], [conflict.localChange, conflict.id], 'outside of the database they meet alike');
  assert.deepEqual(conflict.versions, [conflict.remoteChange, conflict.localChange]);
  assert.ok(conflict.detectedAt > 0 && conflict.localChange.id > 0);
  const operations = here[0].versions.map((version) => [version.operation, version.vector === undefined]);
  assert.deepEqual(operations, [
    ['delete', true],
    ['update', false],
  ]);
  assert.deepEqual(all[0].sync.getUnresolvedConflicts('other'), []);
  assert.equal(all[0].sync.getSession().pendingConflicts.length, 2);
});

test('a peer with another strategy is a warning', async (t) => {
  const a = await node(t, 'a', { config: { conflictStrategy: 'merge' } });
  const b = await node(t, 'b', { config: { conflictStrategy: 'manual' } });
  const result = await synced(a, b);
  assert.match(result.warnings.join(), /manual/);
});
