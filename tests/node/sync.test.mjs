import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VectorQuicSync, createVectorSync } from '@agentic-flow/sqlite-vector';
import * as syncEntry from '@agentic-flow/sqlite-vector/sync';
import { startNode } from './actors/process.mjs';
import { content, engine, fails, file, node, open, phrase, phraseItems, synced } from './support.mjs';

test('the sync entry hands out the same classes', () => {
  assert.equal(syncEntry.VectorQuicSync, VectorQuicSync);
  assert.equal(syncEntry.createVectorSync, createVectorSync);
});

test('two nodes exchange exactly what each lacks', async (t) => {
  const [a, b] = [await node(t, 'node-a'), await node(t, 'node-b')];
  await a.db.insertBatch(phraseItems(300));
  await b.db.insertBatch(phraseItems(200, 1000));
  const first = await synced(a, b);
  assert.deepEqual(
    [first.shardId, first.changesSent, first.changesApplied, first.conflictsDetected, first.attempts],
    ['shared', 300, 200, 0, 1],
  );
  assert.ok(first.bytesSent > 300 * 1536 && first.bytesReceived > 200 * 1536 && first.durationMs > 0);
  assert.deepEqual(first.conflictsUnresolved, []);
  assert.equal(await a.db.digest(), await b.db.digest());
  assert.deepEqual(await content(a.db), await content(b.db));

  const idle = await synced(a, b);
  assert.deepEqual([idle.changesSent, idle.changesApplied], [0, 0]);

  await b.db.delete('p0');
  await b.db.update('p1', phrase(500));
  const second = await synced(a, b);
  assert.deepEqual([second.changesSent, second.changesApplied], [0, 2]);
  assert.equal(await a.db.get('p0'), null);
  assert.deepEqual((await a.db.get('p1')).vector, phrase(500));
  assert.equal(await a.db.digest(), await b.db.digest());

  const forced = await synced(b, a, 'shared', true);
  assert.deepEqual([forced.changesSent, forced.changesApplied], [0, 0], 'what the other holds is never sent');
});

test('two processes exchange exactly what each lacks, and end by themselves', async (t) => {
  const [a, b] = [
    await startNode(t, { path: file('a.db'), name: 'node-a', listen: false }),
    await startNode(t, { path: file('b.db'), name: 'node-b' }),
  ];
  await a.db('insertBatch', phraseItems(400));
  await b.db('insertBatch', phraseItems(100, 400));
  const result = await a.sync('sync', 'shared', b.address);
  assert.deepEqual([result.success, result.changesSent, result.changesApplied], [true, 400, 100], result.error);
  assert.equal(await a.db('digest'), await b.db('digest'));
  assert.equal(await b.db('count'), 500);
  assert.deepEqual(await a.close(), [0, null]);
  assert.deepEqual(await b.close(), [0, null]);
});

test('databases in memory sync as well', async (t) => {
  const [first, second] = [await open(t), await open(t)];
  const [a, b] = [await engine(t, first, 'a'), await engine(t, second, 'b')];
  const address = await b.listen('127.0.0.1:0');
  await first.insertBatch(phraseItems(50));
  const result = await a.sync('default', address);
  assert.ok(result.success, result.error);
  assert.equal(await second.digest(), await first.digest());
});

test('several shards and peers sync at the same time', async (t) => {
  const hub = await node(t, 'hub');
  const spokes = [];
  for (let index = 0; index < 3; index++) spokes.push(await node(t, `spoke-${index}`));
  for (const [index, spoke] of spokes.entries()) {
    await spoke.db.insertBatch(phraseItems(50, index * 50));
    await spoke.db.insertBatch(phraseItems(20), { shardId: `own-${index}` });
  }
  await Promise.all(spokes.flatMap((spoke, index) => [synced(spoke, hub), synced(spoke, hub, `own-${index}`)]));
  await Promise.all(spokes.map((spoke) => synced(hub, spoke)));
  const expected = await hub.db.digest();
  for (const spoke of spokes) assert.equal(await spoke.db.digest(), expected);
  assert.equal(await hub.db.count(), 150);
  assert.deepEqual(await hub.db.shards(), ['own-0', 'own-1', 'own-2', 'shared']);
});

test('names, IPv6 and a missing initialize all work', async (t) => {
  const server = new VectorQuicSync(await open(t, { path: file() }), 'server');
  t.after(() => server.close());
  const address = await server.listen('localhost:0');
  const port = address.split(':').at(-1);
  const db = await open(t, { path: file() });
  const sync = new VectorQuicSync(db, 'client');
  t.after(() => sync.close());
  assert.equal(sync.getSession(), null);
  await db.insert([1, 2]);
  assert.ok((await sync.sync('shard', `localhost:${port}`)).success);
  assert.equal(sync.getSession().nodeId, 'client');

  const six = await engine(t, await open(t, { path: file() }), 'six');
  const bound = await six.listen('[::1]:0').catch((error) => error);
  if (bound instanceof Error) return t.diagnostic(`no IPv6 here: ${bound.message}`);
  assert.match(bound, /^\[::1\]:\d+$/);
  const result = await sync.sync('shard', bound);
  assert.ok(result.success, result.error);
});

test('what is no wrong kind resolves without success, with the stable code', async (t) => {
  const { db, sync } = await node(t, 'node-a');
  await db.insert([1]);
  const quick = await engine(t, await open(t, { path: file() }), 'quick', { maxRetries: 0 }, { connectTimeoutMs: 50 });
  const pinning = await engine(t, await open(t, { path: file() }), 'pinning', { maxRetries: 0 }, {
    connectTimeoutMs: 500,
    tls: { pinnedFingerprints: [sync.fingerprint] },
  });
  const cases = [
    ['ERR_ARGUMENT', sync, 'shared', 'no:such:address'],
    ['ERR_ARGUMENT', sync, 'shared', ''],
    ['ERR_ARGUMENT', sync, 'shared', '0.0.0.0:4433'],
    ['ERR_ARGUMENT', sync, '', '127.0.0.1:4433'],
    ['ERR_ARGUMENT', sync, 'x'.repeat(257), '127.0.0.1:4433'],
    ['ERR_PEER_UNREACHABLE', quick, 'shared', '127.0.0.1:1'],
    ['ERR_PEER_UNREACHABLE', pinning, 'shared', 'no-such-host.invalid'],
    // With no trust configured, nothing leaves this machine: not even the question what the name means.
    ['ERR_TRUST', quick, 'shared', 'no-such-host.invalid'],
    ['ERR_TRUST', quick, 'shared', '192.0.2.1:4433'],
  ];
  for (const [code, engine, shard, address] of cases) {
    const result = await engine.sync(shard, address);
    assert.deepEqual([result.success, result.errorCode, result.shardId], [false, code, shard], result.error);
    assert.ok(result.error.length > 10);
    assert.deepEqual([result.changesSent, result.conflictsUnresolved], [0, []]);
  }
});

test('a peer with other dimensions is ERR_DIMENSIONS and changes nothing', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { maxRetries: 0 } }), await node(t, 'b')];
  await a.db.insert([1, 2]);
  await b.db.insert([1, 2, 3]);
  const before = await b.db.digest();
  const result = await a.sync.sync('shared', b.address);
  assert.deepEqual([result.success, result.errorCode], [false, 'ERR_DIMENSIONS'], result.error);
  assert.equal(await b.db.digest(), before);
});

test('a failed peer is tried again as often as configured', async (t) => {
  const sync = await engine(t, await open(t, { path: file() }), 'a', { maxRetries: 2 }, { connectTimeoutMs: 30 });
  assert.equal((await sync.sync('shard', '127.0.0.1:1')).attempts, 3);
});

test("a name that is not the database's shows in the result, and in initialize", async (t) => {
  const db = await open(t, { path: file(), nodeId: 'node-1' });
  const sync = new VectorQuicSync(db, 'node-2');
  t.after(() => sync.close());
  assert.equal((await sync.sync('s', '127.0.0.1:1')).errorCode, 'ERR_NODE_ID');
  await fails('ERR_NODE_ID', () => sync.initialize());
  await fails('ERR_NODE_ID', () => createVectorSync(db, 'node-2'));
});

test('the state of shards and of the session is told', async (t) => {
  const [a, b] = [await node(t, 'node-a'), await node(t, 'node-b')];
  await a.db.insertBatch(phraseItems(10));
  const before = await a.sync.getShardState('shared');
  assert.deepEqual([before.shardId, before.vectorCount, before.lastSyncAt, before.status], ['shared', 10, 0, 'idle']);
  assert.ok(before.currentChangeId >= 10);
  assert.ok(before.versionVector instanceof Map);
  assert.match([...before.versionVector.keys()][0], /^node-a@[0-9a-f]{16}$/);
  assert.deepEqual([...before.versionVector.values()], [10]);

  await synced(a, b);
  await b.db.insert(phrase(77));
  await synced(b, a);
  const state = await b.sync.getShardState('shared');
  assert.deepEqual([...state.versionVector.keys()].map((site) => site.split('@')[0]).sort(), ['node-a', 'node-b']);
  assert.ok(Math.abs(state.lastSyncAt / 1000 - Date.now()) < 3_600_000);
  assert.deepEqual(await b.sync.getShardState('none'), {
    shardId: 'none',
    currentChangeId: 0,
    versionVector: new Map(),
    vectorCount: 0,
    lastSyncAt: 0,
    status: 'idle',
  });

  const session = b.sync.getSession();
  assert.equal(session.nodeId, 'node-b');
  assert.deepEqual(session.shardIds, ['shared']);
  assert.deepEqual(session.versionVectors.get('shared'), state.versionVector);
  assert.equal(session.lastChangeIds.get('shared'), state.currentChangeId);
  assert.ok(session.createdAt <= session.updatedAt);
  assert.deepEqual(b.sync.getUnresolvedConflicts(), []);

  await a.sync.sync('shared', '127.0.0.1:1', false, { signal: AbortSignal.timeout(50) }).catch(() => {});
  const failing = await engine(t, await open(t, { path: file() }), 'c', { maxRetries: 0 }, { connectTimeoutMs: 30 });
  await failing.sync('shared', '127.0.0.1:1');
  assert.equal((await failing.getShardState('shared')).status, 'error');
});

test('connections are pooled and counted', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  assert.deepEqual(await a.sync.getStats(), {
    active: 0,
    idle: 0,
    created: 0,
    closed: 0,
    zeroRttAccepted: 0,
    fallback: 0,
    feeds: [],
  });
  await a.db.insert([1]);
  await synced(a, b);
  await synced(a, b);
  assert.equal((await a.sync.getStats()).created, 1);
  const unused = new VectorQuicSync(await open(t), 'c');
  assert.equal((await unused.getStats()).created, 0);
  await unused.close();
});

test('a session can be read while a transaction of a database in memory is open', async (t) => {
  const db = await open(t);
  const sync = await engine(t, db, 'a');
  await db.insert([1]);
  assert.deepEqual(sync.getSession().shardIds, ['default']);
  await db.transaction(async (tx) => {
    await tx.insert([2]);
    assert.deepEqual(sync.getSession().shardIds, ['default']);
  });
});
