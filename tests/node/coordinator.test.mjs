// Many peers and shards kept in step by one coordinator.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as everything from '@agentic-flow/sqlite-vector';
import { ShardCoordinator, VectorQuicSync, createShardCoordinator } from '@agentic-flow/sqlite-vector';
import * as syncEntry from '@agentic-flow/sqlite-vector/sync';
import { engine, fails, file, node, open, until } from './support.mjs';

const DEAD = '127.0.0.1:1';
/** Waits an hour before it tries a dead peer again. */
const PATIENT = { config: { maxRetries: 1000, retryBackoffMs: 3_600_000 }, quicConfig: { connectTimeoutMs: 20 } };

/** A coordinator over a node's engine, closed after the test. */
function coordinate(t, { sync }, limit) {
  const coordinator = new ShardCoordinator(sync, limit);
  t.after(() => coordinator.close());
  return coordinator;
}

async function nodes(t, count, options) {
  const made = [];
  for (let index = 0; index < count; index++) made.push(await node(t, `n${index}`, options));
  return made;
}

function register(coordinator, peers, shards = ['shared']) {
  for (const { name, address } of peers)
    coordinator.registerPeer({ nodeId: name, address, shards, status: 'unknown' });
}

const outcomes = (results) => results.map(({ shardId, peerAddress, success }) => [shardId, peerAddress, success]);

test('the sync entry hands out the same classes', () => {
  assert.equal(syncEntry.ShardCoordinator, everything.ShardCoordinator);
  assert.equal(syncEntry.createShardCoordinator, everything.createShardCoordinator);
});

test('syncAll brings every peer in step with every shard of its', async (t) => {
  const [hub, ...peers] = await nodes(t, 4);
  for (const [index, { db }] of peers.entries()) {
    for (const shardId of ['shared', 'other']) await db.insert([index], undefined, { id: `v${index}`, shardId });
  }
  const coordinator = coordinate(t, hub);
  assert.equal(coordinator.sync, hub.sync);
  register(coordinator, peers, ['shared', 'other']);
  for (let round = 0; round < 2; round++) {
    const results = await coordinator.syncAll();
    assert.equal(results.length, 6);
    assert.ok(results.every(({ success }) => success), JSON.stringify(results));
    assert.deepEqual(
      new Set(results.map(({ shardId, peerAddress }) => `${shardId} ${peerAddress}`)),
      new Set(peers.flatMap(({ address }) => [`shared ${address}`, `other ${address}`])),
    );
  }
  for (const shardId of ['shared', 'other']) {
    for (const { db } of peers) assert.equal(await db.digest(shardId), await hub.db.digest(shardId));
  }
  const states = await coordinator.getAllShardStates();
  assert.deepEqual(
    states.map(({ shardId, vectorCount, status }) => [shardId, vectorCount, status]),
    [
      ['other', 3, 'idle'],
      ['shared', 3, 'idle'],
    ],
  );
  assert.ok(states.every(({ versionVector }) => versionVector.size === 3));
});

test('tasks run by priority, then in their order, and results come in that order', async (t) => {
  const [hub, peer] = await nodes(t, 2);
  const coordinator = coordinate(t, hub, 1);
  for (const [shardId, priority] of [
    ['low', -1],
    ['default', undefined],
    ['high', 9],
    ['also-high', 9],
  ]) {
    assert.equal(coordinator.scheduleSyncTask(shardId, peer.address, priority), undefined);
  }
  assert.equal(coordinator.getPendingTasksCount(), 4);
  const results = await coordinator.executeTasks();
  assert.deepEqual(
    results.map(({ shardId }) => shardId),
    ['high', 'also-high', 'default', 'low'],
  );
  assert.equal(coordinator.getPendingTasksCount(), 0);
  assert.deepEqual(await coordinator.executeTasks(), []);
});

test('any finite number is a priority', async (t) => {
  const [hub, peer] = await nodes(t, 2);
  const coordinator = coordinate(t, hub, 1);
  for (const priority of [0.25, -1e300, 0.5, 2 ** 40, -0, Number.MAX_VALUE, -0.5]) {
    coordinator.scheduleSyncTask(`p${priority}`, peer.address, priority);
  }
  assert.deepEqual(
    (await coordinator.executeTasks()).map(({ shardId }) => shardId),
    [Number.MAX_VALUE, 2 ** 40, 0.5, 0.25, 0, -0.5, -1e300].map((priority) => `p${priority}`),
  );
});

test('a coordinator and an engine of their own share one database under one name', async (t) => {
  const [hub, peer] = await nodes(t, 2);
  const beside = await createShardCoordinator(hub.db, hub.name);
  t.after(() => beside.close());
  beside.registerPeer({ nodeId: peer.name, address: peer.address, shards: ['shared'], status: 'unknown' });
  await hub.db.insert([1, 2], undefined, { id: 'both' });
  const all = await Promise.all([beside.syncAll(), hub.sync.sync('shared', peer.address)]);
  assert.deepEqual(all.flat().map(({ success }) => success), [true, true]);
  assert.ok(await peer.db.get('both'));
  await hub.sync.close();
  assert.equal((await beside.syncAll())[0].success, true);
});

test('tasks can be forgotten', async (t) => {
  const [hub] = await nodes(t, 1);
  const coordinator = coordinate(t, hub);
  for (let index = 0; index < 5000; index++) coordinator.scheduleSyncTask(`s${index}`, DEAD, index);
  assert.equal(coordinator.getPendingTasksCount(), 5000);
  coordinator.scheduleSyncTask('s', DEAD);
  coordinator.clearPendingTasks();
  assert.equal(coordinator.getPendingTasksCount(), 0);
  assert.deepEqual(await coordinator.executeTasks(), []);
});

test('with a limit of 5, five sync at once and never six', async (t) => {
  const [hub, ...peers] = await nodes(t, 13);
  const coordinator = coordinate(t, hub, 5);
  register(coordinator, peers);
  await hub.db.insertBatch(Array.from({ length: 500 }, (_, index) => ({ vector: new Float32Array(256).fill(index) })));
  let [running, most] = [true, 0];
  const probe = () => {
    most = Math.max(most, coordinator.getActiveSyncsCount());
    if (running) setImmediate(probe);
  };
  probe();
  // While a transaction is open on every peer, no sync can end.
  for (const { db } of peers) await db.beginTransaction();
  const all = coordinator.syncAll();
  await until(() => most === 5, 'five at once');
  for (const { db } of peers) await db.rollback();
  const results = await all;
  running = false;
  assert.ok(results.every(({ success }) => success), JSON.stringify(results.find(({ success }) => !success)));
  assert.equal(most, 5);
  assert.equal(coordinator.getActiveSyncsCount(), 0);
});

test('peers that are not there do not keep the others', async (t) => {
  const config = { maxRetries: 0 };
  const hub = await node(t, 'hub', { config, quicConfig: { connectTimeoutMs: 200 } });
  const peers = await nodes(t, 4);
  const coordinator = coordinate(t, hub, 2);
  for (let index = 0; index < 10; index++) {
    register(coordinator, [{ name: `dead-${index}`, address: `127.0.0.1:${index + 1}` }]);
  }
  register(coordinator, peers);
  const results = await coordinator.syncAll();
  assert.equal(results.length, 14);
  const alive = new Set(peers.map(({ address }) => address));
  for (const { success, errorCode, peerAddress } of results) {
    assert.equal(success, alive.has(peerAddress), peerAddress);
    if (!success) assert.equal(errorCode, 'ERR_PEER_UNREACHABLE');
  }
});

test('a health check asks every peer, and remembers what it found', async (t) => {
  const [hub, peer] = [await node(t, 'hub', { quicConfig: { connectTimeoutMs: 200 } }), await node(t, 'peer')];
  const coordinator = coordinate(t, hub);
  register(coordinator, [peer, { name: 'dead', address: DEAD }]);
  assert.deepEqual(await coordinator.healthCheck(), new Map([['dead', false], ['peer', true]]));
  const [dead, live] = coordinator.getPeers();
  assert.deepEqual([dead.nodeId, dead.status, dead.lastContact], ['dead', 'offline', undefined]);
  assert.deepEqual([live.nodeId, live.status], ['peer', 'online']);
  assert.ok(Math.abs(live.lastContact / 1000 - Date.now()) < 60_000);
  assert.deepEqual(await peer.db.shards(), [], 'it is no sync');
});

test('registering again replaces, and what is returned are copies', async (t) => {
  const [hub] = await nodes(t, 1);
  const coordinator = coordinate(t, hub);
  const peer = { nodeId: 'b', address: 'old:1', shards: ['s'], lastContact: 5, status: 'online' };
  coordinator.registerPeer(peer);
  peer.shards.push('later');
  coordinator.registerPeer({ nodeId: 'a', address: 'a:1', shards: [], status: 'offline' });
  const [, shown] = coordinator.getPeers();
  assert.deepEqual(shown, { nodeId: 'b', address: 'old:1', shards: ['s'], lastContact: 5, status: 'online' });
  shown.shards.length = 0;
  assert.deepEqual(coordinator.getPeers()[1].shards, ['s']);
  coordinator.registerPeer({ nodeId: 'b', address: 'new:1', shards: ['t'], status: 'unknown' });
  assert.deepEqual(coordinator.getPeers()[1], { nodeId: 'b', address: 'new:1', shards: ['t'], status: 'unknown' });
  assert.equal(coordinator.unregisterPeer('b'), undefined);
  coordinator.unregisterPeer('b');
  assert.equal(coordinator.getPeers().length, 1);
  const stats = coordinator.getStats();
  stats.totalSyncs = 99;
  assert.equal(coordinator.getStats().totalSyncs, 0);
});

test('one peer, one shard', async (t) => {
  const [hub, one, other] = await nodes(t, 3);
  const coordinator = coordinate(t, hub);
  register(coordinator, [one], ['shared', 'x']);
  register(coordinator, [other], ['shared']);
  assert.deepEqual(outcomes(await coordinator.syncWithPeer(one.address)).sort(), [
    ['shared', one.address, true],
    ['x', one.address, true],
  ]);
  assert.deepEqual(outcomes(await coordinator.syncShard('x')), [['x', one.address, true]]);
  assert.equal((await coordinator.syncShard('shared')).length, 2);
  assert.deepEqual(await coordinator.syncShard('unknown'), []);
  await fails('ERR_UNKNOWN_PEER', () => coordinator.syncWithPeer(DEAD), /^Peer not found.*127\.0\.0\.1:1/);
});

test('statistics add up', async (t) => {
  const [hub, peer] = await nodes(t, 2, { config: { conflictStrategy: 'merge' } });
  for (const { db } of [hub, peer]) await db.insert([1], undefined, { id: 'v' });
  const coordinator = coordinate(t, hub);
  register(coordinator, [peer], ['shared', 'other']);
  const results = [...(await coordinator.syncAll()), ...(await coordinator.syncShard('shared'))];
  const stats = coordinator.getStats();
  const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
  assert.deepEqual([stats.totalShards, stats.activeSyncs, stats.totalSyncs, stats.totalConflicts], [2, 0, 3, 1]);
  assert.deepEqual([stats.bytesSent, stats.bytesReceived], [total('bytesSent'), total('bytesReceived')]);
  assert.ok(stats.avgSyncDurationMs > 0);
});

test('each topology chooses its neighbours, and converges', async (t) => {
  for (const topology of ['mesh', 'star', 'ring', 'tree']) {
    const all = await nodes(t, 5);
    const coordinators = all.map((each) => coordinate(t, each));
    let calls = 0;
    for (const [index, coordinator] of coordinators.entries()) {
      register(coordinator, all.filter((each) => each !== all[index]));
      coordinator.setTopology(topology);
      assert.equal(coordinator.getTopology(), topology);
      await all[index].db.insert([index], undefined, { id: `v${index}` });
    }
    for (let round = 0; round < 4; round++) {
      for (const coordinator of coordinators) calls += (await coordinator.syncAll()).length;
    }
    assert.equal(calls / 4, { mesh: 20, star: 8, ring: 10, tree: 8 }[topology], topology);
    for (const { db } of all) assert.equal(await db.digest(), await all[0].db.digest(), topology);
    for (const each of all) await each.sync.close();
  }
});

test('startAutoSyncAll keeps all in step until it is stopped', async (t) => {
  const [hub, ...peers] = await nodes(t, 3);
  const coordinator = coordinate(t, hub);
  register(coordinator, peers);
  assert.equal(coordinator.startAutoSyncAll(0), undefined);
  await peers[0].db.insert([1], undefined, { id: 'v' });
  await until(async () => (await peers[1].db.get('v')) !== null, 'the commit, by way of the hub');
  const offline = [];
  hub.sync.on('peer', ({ status, peerAddress }) => status === 'offline' && offline.push(peerAddress));
  coordinator.stopAutoSyncAll();
  await until(() => offline.length === 2, 'the end of both');
});

test('a signal ends what waits', async (t) => {
  const hub = await node(t, 'hub', PATIENT);
  const coordinator = coordinate(t, hub);
  register(coordinator, [{ name: 'dead', address: DEAD }]);
  const signal = AbortSignal.abort();
  for (const call of [
    () => coordinator.syncAll({ signal }),
    () => coordinator.syncShard('shared', { signal }),
    () => coordinator.syncWithPeer(DEAD, { signal }),
    () => coordinator.executeTasks({ signal }),
    () => coordinator.healthCheck({ signal }),
    () => coordinator.syncAll({ signal: AbortSignal.timeout(100) }),
  ]) {
    await fails('ERR_ABORTED', call);
  }
});

test('closing ends what runs; a lent engine stays open, its own one does not', async (t) => {
  const hub = await node(t, 'hub', PATIENT);
  const coordinator = coordinate(t, hub);
  register(coordinator, [{ name: 'dead', address: DEAD }]);
  const running = fails('ERR_CLOSED', () => coordinator.syncAll());
  await coordinator.close();
  await coordinator.close();
  await running;
  assert.equal((await hub.sync.getStats()).active, 0);
  const calls = [
    () => register(coordinator, [hub]),
    () => coordinator.unregisterPeer('x'),
    () => coordinator.getPeers(),
    () => coordinator.setTopology('mesh'),
    () => coordinator.getTopology(),
    () => coordinator.scheduleSyncTask('s', DEAD),
    () => coordinator.executeTasks(),
    () => coordinator.syncAll(),
    () => coordinator.syncShard('s'),
    () => coordinator.syncWithPeer(DEAD),
    () => coordinator.getAllShardStates(),
    () => coordinator.startAutoSyncAll(0),
    () => coordinator.stopAutoSyncAll(),
    () => coordinator.getStats(),
    () => coordinator.getPendingTasksCount(),
    () => coordinator.getActiveSyncsCount(),
    () => coordinator.clearPendingTasks(),
    () => coordinator.healthCheck(),
  ];
  for (const call of calls) await fails('ERR_CLOSED', call);

  const db = await open(t, { path: file(), shardId: 'shared' });
  const own = await createShardCoordinator(db, 'own', { maxRetries: 0 }, 3, { connectTimeoutMs: 500 });
  const { sync } = own;
  assert.match(sync.fingerprint, /^[0-9a-f]{64}$/);
  await own[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]();
  await fails('ERR_CLOSED', () => sync.getStats());
  assert.equal(await db.count(), 0);
});

test('an engine that was never initialized is opened by the first use', async (t) => {
  const peer = await node(t, 'peer');
  const db = await open(t, { path: file(), shardId: 'shared' });
  const sync = new VectorQuicSync(db, 'lazy');
  t.after(() => sync.close());
  const coordinator = coordinate(t, { sync });
  register(coordinator, [peer]);
  assert.deepEqual(outcomes(await coordinator.syncAll()), [['shared', peer.address, true]]);
  await sync.close();
  await fails('ERR_CLOSED', () => coordinator.syncAll());
});

test('onConflict decides what a coordinator brings, and each result counts its own', async (t) => {
  const manual = { conflictStrategy: 'manual' };
  const hub = await node(t, 'hub', { config: { ...manual, onConflict: ({ localChange }) => localChange } });
  const peers = [await node(t, 'a', { config: manual }), await node(t, 'b', { config: manual })];
  for (const [index, { db }] of peers.entries()) await db.insert([index], undefined, { id: `v${index}` });
  for (const index of peers.keys()) await hub.db.insert([9], undefined, { id: `v${index}` });
  const coordinator = coordinate(t, hub);
  register(coordinator, peers);
  const results = await coordinator.syncAll();
  const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
  assert.deepEqual([total('conflictsDetected'), total('conflictsResolved')], [2, 2]);
  assert.deepEqual(hub.sync.getUnresolvedConflicts(), []);
});

test('bad arguments are refused', async (t) => {
  const [hub] = await nodes(t, 1);
  for (const bad of [undefined, null, {}, hub.db]) await fails('ERR_ARGUMENT', () => new ShardCoordinator(bad));
  for (const bad of [null, 0, -1, 1.5, 1025, '5']) {
    await fails('ERR_ARGUMENT', () => new ShardCoordinator(hub.sync, bad));
  }
  await fails('ERR_ARGUMENT', () => createShardCoordinator(hub.db, 'n0', {}, 0));
  const coordinator = coordinate(t, hub);
  const peer = { nodeId: 'b', address: 'b:1', shards: ['s'], status: 'online' };
  for (const bad of [
    undefined,
    null,
    'b',
    {},
    { ...peer, nodeId: '' },
    { ...peer, nodeId: 5 },
    { ...peer, address: undefined },
    { ...peer, shards: 's' },
    { ...peer, shards: [''] },
    { ...peer, shards: [5] },
    { ...peer, lastContact: -1 },
    { ...peer, status: 'up' },
  ]) {
    await fails('ERR_ARGUMENT', () => coordinator.registerPeer(bad));
  }
  await fails('ERR_ARGUMENT', () => coordinator.registerPeer({ ...peer, adress: 'x' }), /did you mean 'address'/);
  const calls = [
    ...[undefined, 5].map((bad) => () => coordinator.unregisterPeer(bad)),
    ...[undefined, 5, ''].map((bad) => () => coordinator.scheduleSyncTask(bad, DEAD)),
    ...[undefined, 5].map((bad) => () => coordinator.scheduleSyncTask('s', bad)),
    ...['1', NaN, Infinity].map((bad) => () => coordinator.scheduleSyncTask('s', DEAD, bad)),
    ...[undefined, 5, ''].map((bad) => () => coordinator.syncShard(bad)),
    ...[undefined, 5].map((bad) => () => coordinator.syncWithPeer(bad)),
    ...[undefined, -1, '5', 86_400_001].map((bad) => () => coordinator.startAutoSyncAll(bad)),
    ...['bus', 5, undefined].map((bad) => () => coordinator.setTopology(bad)),
    ...[null, 5, { signals: 1 }, { signal: 1 }].map((bad) => () => coordinator.syncAll(bad)),
    () => coordinator.healthCheck({ timeoutMs: 0 }),
  ];
  for (const call of calls) await fails('ERR_ARGUMENT', call);
  await fails('ERR_ARGUMENT', () => coordinator.setTopology('rings'), /did you mean 'ring'/);
  assert.deepEqual([coordinator.getPeers(), coordinator.getPendingTasksCount()], [[], 0]);
});
