import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { engine, fails, file, node, open, synced, until } from './support.mjs';

const NOBODY = 'ab'.repeat(32);
const pins = (...pinnedFingerprints) => ({ quicConfig: { tls: { pinnedFingerprints } } });

test('a fingerprint is 64 digits, kept beside the database, the same after a restart', async (t) => {
  const path = file();
  const db = await open(t, { path });
  const sync = new VectorQuicSync(db, 'a');
  const { fingerprint } = sync;
  assert.match(fingerprint, /^[0-9a-f]{64}$/);
  await sync.initialize();
  assert.equal(sync.fingerprint, fingerprint);
  if (process.platform !== 'win32') assert.equal(statSync(`${path}.key`).mode & 0o777, 0o600);
  await sync.close();
  assert.equal((await engine(t, db, 'a')).fingerprint, fingerprint);
});

test('in memory a fingerprint is known after initialize', async (t) => {
  const sync = new VectorQuicSync(await open(t), 'a');
  t.after(() => sync.close());
  await fails('ERR_CONFIG', () => sync.fingerprint, /initialize/);
  await sync.initialize();
  assert.match(sync.fingerprint, /^[0-9a-f]{64}$/);
});

test('who is not pinned is refused on both sides, and told what to paste', async (t) => {
  const server = await node(t, 'server', pins(NOBODY));
  const client = await node(t, 'client');
  await server.db.insert([1]);
  await client.db.insert([2]);

  const refused = await client.sync.sync('shared', server.address);
  assert.deepEqual([refused.success, refused.errorCode, refused.attempts], [false, 'ERR_TRUST', 1], refused.error);
  assert.ok(refused.error.includes(`pinnedFingerprints: ["${client.sync.fingerprint}"]`), refused.error);

  const suspicious = await node(t, 'suspicious', pins(NOBODY));
  const unknown = await suspicious.sync.sync('shared', client.address);
  assert.deepEqual([unknown.success, unknown.errorCode, unknown.attempts], [false, 'ERR_TRUST', 1], unknown.error);
  assert.ok(unknown.error.includes(`pinnedFingerprints: ["${client.sync.fingerprint}"]`), unknown.error);
  assert.ok(unknown.error.includes(suspicious.sync.fingerprint), 'and its own, for the peer to pin');

  assert.equal(await client.db.count({ shardId: 'shared' }), 1);
  assert.equal(await server.db.count({ shardId: 'shared' }), 1);
});

test('a pin that is set at run time lets in, one that is removed keeps out', async (t) => {
  const [a, b] = [await node(t, 'a', pins(NOBODY)), await node(t, 'b', pins(NOBODY))];
  await a.db.insert([1]);
  assert.equal((await a.sync.sync('shared', b.address)).errorCode, 'ERR_TRUST');
  a.sync.pinPeer(b.sync.fingerprint);
  b.sync.pinPeer(a.sync.fingerprint.toUpperCase().replace(/..(?!$)/g, '$&:'));
  assert.deepEqual(b.sync.pinnedFingerprints, [NOBODY, a.sync.fingerprint].sort());
  await synced(a, b);
  await synced(a, b);

  assert.equal(b.sync.unpinPeer(a.sync.fingerprint), true);
  assert.equal(b.sync.unpinPeer(a.sync.fingerprint), false);
  await a.db.insert([2]);
  const resumed = await a.sync.sync('shared', b.address);
  assert.deepEqual([resumed.success, resumed.errorCode], [false, 'ERR_TRUST'], resumed.error);
  assert.equal(await b.db.count(), 1, 'nothing came in');
  b.sync.pinPeer(a.sync.fingerprint);
  await synced(a, b);
});

test('pins that were set before the engine was initialized count', async (t) => {
  const a = await node(t, 'a');
  const sync = new VectorQuicSync(await open(t, { path: file() }), 'b', { maxRetries: 0 });
  t.after(() => sync.close());
  sync.pinPeer(NOBODY);
  sync.pinPeer(a.sync.fingerprint);
  assert.equal(sync.unpinPeer(a.sync.fingerprint), true);
  assert.deepEqual(sync.pinnedFingerprints, [NOBODY]);
  assert.equal((await sync.sync('shared', a.address)).errorCode, 'ERR_TRUST');
  assert.deepEqual(sync.pinnedFingerprints, [NOBODY]);
});

test('a configuration that failed is not replaced by a weaker one', async (t) => {
  const a = await node(t, 'a');
  const db = await open(t, { path: file(), nodeId: 'recorded' });
  const sync = new VectorQuicSync(db, 'other', { maxRetries: 0 });
  t.after(() => sync.close());
  await fails('ERR_NODE_ID', () => sync.initialize({ tls: { pinnedFingerprints: [NOBODY] } }));
  assert.equal((await sync.sync('shared', a.address)).errorCode, 'ERR_NODE_ID');
  await fails(
    'ERR_CONFIG',
    async () => {
      await a.sync.initialize({ tls: { pinnedFingerprints: [NOBODY] } });
    },
    /initialized already/,
  );
});

test("with nothing configured other machines' addresses are refused", async (t) => {
  const foreign = Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (!foreign) return t.skip('this machine has no address but loopback');
  const [a, b] = [await node(t, 'a'), await engine(t, await open(t, { path: file() }), 'b')];
  const bound = await b.listen('0.0.0.0:0');
  const result = await a.sync.sync('shared', `${foreign.address}:${bound.split(':').at(-1)}`);
  assert.deepEqual([result.success, result.errorCode], [false, 'ERR_TRUST'], result.error);
  assert.ok(result.error.includes(a.sync.fingerprint), result.error);
});

test('accepting any peer has a name that says so', async (t) => {
  const server = await node(t, 'server', { quicConfig: { tls: { dangerousAcceptAnyPeer: true } } });
  const client = await node(t, 'client', pins(server.sync.fingerprint));
  await client.db.insert([1]);
  await synced(client, server);
  await until(async () => (await server.db.count()) === 1, 'the insert');
});
