// Processes that are killed while they apply a delta: all of it is there or nothing, and what was acknowledged stays.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { Delta, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';
import { startNode } from './actors/process.mjs';
import { content, file, open, phraseItems } from './support.mjs';

const COUNT = 4000;
const ROUNDS = 6;

test('kill -9 during applyDelta leaves all of the delta or nothing, and applying again heals it', async (t) => {
  const source = await open(t, { path: file('source.db'), nodeId: 'source', shardId: 'shared' });
  await source.insertBatch(phraseItems(COUNT));
  const bytes = (await computeDelta(source, 0)).serialize();
  const outcomes = { nothing: 0, all: 0, acknowledged: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const path = file('target.db');
    let target = await startNode(t, { path, name: 'target', listen: false });
    await target.db('upsert', 'own', [...new Float32Array(384).fill(0.5)]);
    await target.computeDelta(0);
    const before = sizeOf(`${path}-wal`);
    let acknowledged = false;
    const applying = target.applyDelta(bytes).then(() => (acknowledged = true), () => {});
    // At another place of the work each time: when so much of it has reached the log.
    const enough = before + Math.floor((bytes.length * round) / ROUNDS);
    while (!acknowledged && sizeOf(`${path}-wal`) < enough) await new Promise(setImmediate);
    await target.kill();
    await applying;
    target = await startNode(t, { path, name: 'target', listen: false });
    const count = await target.db('count');
    assert.ok(count === 1 || count === COUNT + 1, `round ${round}: ${count} vectors`);
    if (acknowledged) assert.equal(count, COUNT + 1, `round ${round}: what was acknowledged is lost`);
    outcomes[acknowledged ? 'acknowledged' : count === 1 ? 'nothing' : 'all']++;
    await target.applyDelta(bytes);
    assert.equal((await target.db('query', 'PRAGMA integrity_check'))[0].integrity_check, 'ok');
    const twin = await open(t, { shardId: 'shared' });
    await applyDelta(twin, Delta.deserialize(await target.computeDelta(0)));
    await applyDelta(twin, await computeDelta(source, 0));
    assert.equal(await twin.count(), COUNT + 1);
    assert.equal(await target.db('digest', 'shared'), await twin.digest('shared'));
    await target.close();
  }
  t.diagnostic(JSON.stringify(outcomes));
  assert.ok(outcomes.nothing > 0, 'no kill struck before the commit');
});

test('kill -9 of both sides after each delta: passing the timestamps on loses nothing', async (t) => {
  const paths = { a: file('a.db'), b: file('b.db') };
  const nodes = {};
  const start = async () => {
    for (const [name, path] of Object.entries(paths)) nodes[name] = await startNode(t, { path, name, listen: false });
  };
  await start();
  const since = { a: 0, b: 0 };
  const tell = async (from, to) => {
    const bytes = await nodes[from].computeDelta(since[from]);
    since[from] = Delta.deserialize(bytes).timestamp;
    await nodes[to].applyDelta(bytes);
  };
  for (let round = 0; round < 6; round++) {
    await Promise.all([nodes.a.db('upsert', `a${round}`, [round, 1]), nodes.b.db('upsert', 'both', [round, 2])]);
    await nodes.a.db('upsert', 'both', [round, 3]);
    await tell('a', 'b');
    await Promise.all([nodes.a.kill(), nodes.b.kill()]);
    await start();
    await tell('b', 'a');
  }
  await tell('a', 'b');
  await tell('b', 'a');
  assert.equal(await nodes.a.db('digest', 'shared'), await nodes.b.db('digest', 'shared'));
  assert.equal(await nodes.b.db('count'), 7);
  for (const { close } of Object.values(nodes)) await close();
  const a = await open(t, { path: paths.a });
  assert.deepEqual((await content(a, 'shared')).map(({ id }) => id), ['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'both']);
});

function sizeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
