// A coordinator keeps the shards of six peers in step although some of them fail: two addresses are dead, one peer goes
// away, and one comes back. The dead cost the living nothing.
import { strict as assert } from 'node:assert';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createShardCoordinator, createVectorSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { embeddings } from '../demo/embeddings.mjs';
import { table } from '../demo/report.mjs';

const SHARDS = ['animals', 'places'];
const folder = await mkdtemp(join(tmpdir(), 'vectr-coordinator-'));
const db = await VectrDB.open({ path: join(folder, 'centre.db') });
const coordinator = await createShardCoordinator(db, 'centre', { maxRetries: 0 }, 5, { connectTimeoutMs: 1_000 });
const peers = [];
const silent = [];

try {
  for (const [index, name] of ['alice', 'bob', 'carol', 'dave'].entries()) {
    peers.push(await startPeer(name, index));
  }
  // Somebody has the port, and never answers: what a crashed or firewalled peer looks like from here.
  for (const name of ['erin', 'frank']) {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    silent.push(socket);
    register(name, `127.0.0.1:${socket.address().port}`);
  }

  console.log('health:', Object.fromEntries(await coordinator.healthCheck()));
  let results = await coordinator.syncAll();
  report('first round', results);
  assert.equal(results.filter(({ success }) => success).length, 8);
  assert.ok(results.filter(({ success }) => !success).every(({ errorCode }) => errorCode === 'ERR_PEER_UNREACHABLE'));

  console.log('\ncarol goes away; the others write on');
  await stop(peers[2]);
  for (const [index, { db }] of peers.entries()) {
    if (index === 2) continue;
    for (const shardId of SHARDS) await db.insertBatch(embeddings(1_000 + index * 20, 20), { shardId });
  }
  coordinator.unregisterPeer('erin');
  coordinator.unregisterPeer('frank');
  results = await coordinator.syncAll();
  report('without carol', results);
  assert.deepEqual(results.filter(({ success }) => !success).map(({ peerAddress }) => peerAddress),
    SHARDS.map(() => peers[2].address));

  console.log('\ncarol is back at another address: registering her again replaces the old one');
  peers[2] = await startPeer('carol', 2, false);
  results = [...await coordinator.syncShard('animals'), ...await coordinator.syncShard('places')];
  // A second round carries what came late to those who were served first.
  results.push(...await coordinator.syncAll());
  assert.ok(results.every(({ success }) => success));
  for (const shard of SHARDS) {
    const digests = await Promise.all([db, ...peers.map((peer) => peer.db)].map((each) => each.digest(shard)));
    assert.equal(new Set(digests).size, 1, `shard ${shard} differs`);
  }
  console.log('all digests are equal\n', coordinator.getStats());
} finally {
  for (const socket of silent) socket.close();
  for (const peer of peers) await stop(peer);
  await coordinator.close();
  await db.close();
  await rm(folder, { recursive: true, force: true });
}

async function startPeer(name, index, write = true) {
  const db = await VectrDB.open({ path: join(folder, `${name}.db`) });
  const sync = await createVectorSync(db, name);
  if (write) for (const shardId of SHARDS) await db.insertBatch(embeddings(index * 50, 50), { shardId });
  const address = await sync.listen('127.0.0.1:0');
  register(name, address);
  return { name, db, sync, address };
}

async function stop({ db, sync }) {
  await sync.close();
  await db.close();
}

function register(nodeId, address) {
  coordinator.registerPeer({ nodeId, address, shards: SHARDS, status: 'unknown' });
}

function report(title, results) {
  const named = new Map(coordinator.getPeers().map(({ nodeId, address }) => [address, nodeId]));
  console.log(title);
  table(['peer', 'shard', 'sent', 'applied', 'ms', 'outcome'], results.map((result) => [
    named.get(result.peerAddress), result.shardId, result.changesSent, result.changesApplied,
    result.durationMs.toFixed(0), result.success ? 'in step' : result.errorCode,
  ]));
}
