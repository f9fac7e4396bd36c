// A conflict from its beginning to its end, with every process killed and started again after each step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNode } from './actors/process.mjs';
import { file, phrase } from './support.mjs';

const NAMES = ['a', 'b', 'c'];
const manual = { conflictStrategy: 'manual' };

test('a three-way conflict outlives kill -9 after each step, and its resolution too', async (t) => {
  const paths = NAMES.map((name) => file(`${name}.db`));
  let nodes = [];
  const start = async () => {
    nodes = await Promise.all(NAMES.map((name, at) => startNode(t, { path: paths[at], name, config: manual })));
  };
  const step = async (work) => {
    const value = await work();
    for (const node of nodes) assert.deepEqual(await node.kill(), [null, 'SIGKILL']);
    await start();
    return value;
  };
  const sync = async (from, to) => {
    const result = await nodes[from].sync('sync', 'shared', nodes[to].address);
    assert.ok(result.success, result.error);
    return result;
  };
  const shown = (at) => nodes[at].sync('getUnresolvedConflicts', 'shared');
  await start();

  for (const at of [0, 1, 2]) {
    await step(() => nodes[at].db('upsert', 'v', phrase(at), { by: NAMES[at] }));
  }
  for (const [from, to] of [[1, 0], [2, 0], [1, 0]]) await step(() => sync(from, to));
  const conflicts = await step(() => Promise.all([0, 1, 2].map(shown)));
  for (const [conflict, ...others] of conflicts) {
    assert.deepEqual(others, []);
    assert.equal(conflict.id, conflicts[0][0].id);
    assert.deepEqual(conflict.versions.map(({ metadata }) => metadata.by).sort(), NAMES);
  }

  // A version that comes between the list and the choice stands.
  const path = file('late.db');
  const late = await startNode(t, { path, name: 'late', config: manual });
  await late.db('upsert', 'v', phrase(9), { by: 'late' });
  const { success } = await late.sync('sync', 'shared', nodes[1].address);
  assert.ok(success);
  await late.kill();
  await step(() => nodes[1].sync('resolveConflict', conflicts[1][0].id, conflicts[1][0].versions[0]));
  const [reopened] = await step(() => shown(1));
  assert.notEqual(reopened.id, conflicts[1][0].id);
  assert.deepEqual(reopened.versions.map(({ metadata }) => metadata.by).sort(),
    [conflicts[1][0].versions[0].metadata.by, 'late'].sort());

  const winner = reopened.versions.find(({ metadata }) => metadata.by === 'late');
  await step(() => nodes[1].sync('resolveConflict', reopened.id, winner));
  for (const [from, to] of [[1, 0], [2, 0]]) await step(() => sync(from, to));
  for (const at of [0, 1, 2]) {
    assert.deepEqual(await shown(at), []);
    const entry = await nodes[at].db('get', 'v');
    assert.deepEqual([entry.conflicted, entry.metadata, entry.vector], [false, { by: 'late' }, phrase(9)]);
    assert.equal(await nodes[at].db('digest', 'shared'), await nodes[0].db('digest', 'shared'));
    assert.equal((await nodes[at].db('query', 'PRAGMA integrity_check'))[0].integrity_check, 'ok');
  }
});
