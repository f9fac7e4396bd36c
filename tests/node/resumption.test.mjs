// Restarts, kills and resumed transfers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNode } from './actors/process.mjs';
import { content, file, node, open, phraseItems } from './support.mjs';

test('after a restart of both nothing is sent again', async (t) => {
  const paths = [file('a.db'), file('b.db')];
  for (const round of [1, 2]) {
    const [a, b] = [await node(t, 'a', { path: paths[0] }), await node(t, 'b', { path: paths[1] })];
    if (round === 1) await a.db.insertBatch(phraseItems(300));
    const result = await a.sync.sync('shared', b.address);
    assert.deepEqual([result.success, result.changesSent], [true, round === 1 ? 300 : 0], result.error);
    for (const { sync, db } of [a, b]) {
      await sync.close();
      await db.close();
    }
  }
});

test('a peer that is killed in the middle goes on where it was', async (t) => {
  const a = await node(t, 'a', {
    config: { maxRetries: 0, batchSize: 10 },
    // The silence after which a peer that was killed counts as gone.
    quicConfig: { maxIdleTimeoutMs: 1000 },
  });
  await a.db.insertBatch(phraseItems(6000));
  const path = file('b.db');
  const first = await startNode(t, { path, name: 'b' });
  let killed;
  const cut = await a.sync.sync('shared', first.address, false, {
    onProgress: ({ sent }) => {
      if (sent >= 500) killed ??= first.kill();
    },
  });
  assert.ok(killed, 'it was killed in the middle');
  assert.deepEqual(await killed, [null, 'SIGKILL']);
  assert.equal(cut.success, false);

  const second = await startNode(t, { path, name: 'b' });
  const held = await second.db('count');
  assert.ok(held > 0 && held < 6000, `${held} were held`);
  const [check] = await second.db('query', 'PRAGMA integrity_check');
  assert.equal(check.integrity_check, 'ok');
  const resumed = await a.sync.sync('shared', second.address);
  assert.ok(resumed.success, resumed.error);
  assert.equal(resumed.changesSent, 6000 - held, 'what it held is not sent again');
  assert.equal(await second.db('digest'), await a.db.digest());
  assert.deepEqual(await second.close(), [0, null]);
  const reopened = await open(t, { path, shardId: 'shared' });
  assert.deepEqual(await content(reopened), await content(a.db));
});

test('what a killed process had committed is still there', async (t) => {
  const path = file();
  const child = await startNode(t, { path, name: 'a', listen: false });
  await child.db('insertBatch', phraseItems(200));
  const digest = await child.db('digest');
  await child.kill();
  const db = await open(t, { path, shardId: 'shared' });
  assert.equal(await db.digest(), digest);
  assert.equal(await db.count(), 200);
});
