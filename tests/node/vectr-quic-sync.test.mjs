// VectrQuicSync: the class of the first source document, on the same engine.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { VectrQuicSync } from '@agentic-flow/sqlite-vector';
import { VectrQuicSync as FromSync } from '@agentic-flow/sqlite-vector/sync';
import { content, fails, file, node, open, phraseItems } from './support.mjs';

function client(t, db, address, options) {
  const sync = new VectrQuicSync(db, address, options);
  t.after(() => sync.close());
  return sync;
}

test('it syncs a shard with its server, and says what that did', async (t) => {
  const server = await node(t, 'server', { shardId: 'agent_001' });
  const db = await open(t, { path: file('agent_001.db') });
  assert.equal(VectrQuicSync, FromSync);
  const sync = client(t, db, server.address);
  const before = await sync.getStats();
  assert.deepEqual([before.active, before.idle, before.created, before.closed], [0, 0, 0, 0]);
  await db.insertBatch(phraseItems(30));
  await server.db.insertBatch(phraseItems(20, 100));
  await server.db.upsert('p3', new Float32Array(384).fill(0.5), {});
  const result = await sync.sync('agent_001');
  assert.equal(typeof result.syncLatencyMs, 'number');
  assert.deepEqual({ ...result, syncLatencyMs: 0 }, {
    localVectorsSent: 30,
    remoteVectorsReceived: 21,
    conflictsResolved: 1,
    syncLatencyMs: 0,
  });
  assert.deepEqual(await content(db, 'agent_001'), await content(server.db, 'agent_001'));
  const again = await sync.sync('agent_001');
  assert.deepEqual([again.localVectorsSent, again.remoteVectorsReceived, again.conflictsResolved], [0, 0, 0]);
  assert.equal((await sync.getStats()).created, 1);
  // The node has a name from then on.
  assert.match(db.nodeId, /^node-[0-9a-f]{16}$/);
  await sync.close();
  await sync.close();
  await fails('ERR_CLOSED', () => sync.sync('agent_001'));
  assert.equal(await db.count(), 50);
});

test('it goes by the name that the database records', async (t) => {
  const server = await node(t, 'server');
  const db = await open(t, { path: file(), nodeId: 'agent-7', shardId: 'shared' });
  await db.insert([1, 2], {}, { id: 'v' });
  await client(t, db, server.address).sync('shared');
  const [{ source_node: source }] = await server.db.query('SELECT source_node FROM vector_changelog');
  assert.deepEqual([source, db.nodeId], ['agent-7', 'agent-7']);
});

test('it rejects with the code of what went wrong', async (t) => {
  const db = await open(t, { path: file(), shardId: 'shared' });
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const dead = client(t, db, `127.0.0.1:${silent.address().port}`, { quicConfig: { connectTimeoutMs: 50 } });
  await fails('ERR_PEER_UNREACHABLE', () => dead.sync('shared'));
  const untrusting = client(t, db, 'nobody.invalid', { quicConfig: { connectTimeoutMs: 500 } });
  await fails('ERR_TRUST', () => untrusting.sync('shared'), /nobody\.invalid:4433/);
  const tls = { pinnedFingerprints: ['0'.repeat(64)] };
  const nobody = client(t, db, 'nobody.invalid', { quicConfig: { connectTimeoutMs: 500, tls } });
  await fails('ERR_PEER_UNREACHABLE', () => nobody.sync('shared'), /nobody\.invalid:4433/);
  await fails('ERR_ARGUMENT', () => client(t, db, 'no address at all').sync('shared'));
  await fails('ERR_ARGUMENT', () => dead.sync(5));

  const wide = await node(t, 'wide');
  await wide.db.insert([1, 2, 3]);
  await db.insert([1, 2]);
  await fails('ERR_DIMENSIONS', () => client(t, db, wide.address).sync('shared'));
});

test('it trusts whom its configuration names, and tells what others have to pin', async (t) => {
  const db = await open(t, { path: file(), shardId: 'shared' });
  const fingerprint = client(t, db, 'localhost').fingerprint;
  assert.match(fingerprint, /^[0-9a-f]{64}$/);
  const server = await node(t, 'server', { quicConfig: { tls: { pinnedFingerprints: [fingerprint] } } });
  const quicConfig = { tls: { pinnedFingerprints: [server.sync.fingerprint] } };
  await client(t, db, server.address, { quicConfig }).sync('shared');
  const other = await node(t, 'other');
  await fails('ERR_TRUST', () => client(t, db, other.address, { quicConfig }).sync('shared'));
});

test('arguments of the wrong kind are named by the constructor', async (t) => {
  const db = await open(t);
  for (const make of [
    () => new VectrQuicSync({}, 'localhost'),
    () => new VectrQuicSync(db),
    () => new VectrQuicSync(db, 5),
    () => new VectrQuicSync(db, 'localhost', { quicconfig: {} }),
    () => new VectrQuicSync(db, 'localhost', { quicConfig: { tls: { pins: [] } } }),
  ]) {
    assert.throws(make, { code: 'ERR_ARGUMENT', name: 'TypeError' });
  }
});
