// Nodes that trust each other because of an authority, or because of a secret that they share.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { QuicTransport } from '@agentic-flow/sqlite-vector';
import { startNode } from './actors/process.mjs';
import { engine, fails, file, node, open, synced, until } from './support.mjs';

const at = (name) => fileURLToPath(new URL(`certificates/${name}`, import.meta.url));
const member = (name, ca = 'ca') => ({
  caPath: at(`${ca}.pem`),
  certPath: at(`${name}.pem`),
  keyPath: at(`${name}.key`),
});
const quicConfig = (tls) => ({ quicConfig: { tls } });
const [OLD, NEW] = ['the old secret of the cluster', 'the new secret of the cluster'];
const secret = (...clusterSecret) => ({ clusterSecret });

// A process of its own that has one vector, and what comes of its sync with `address`.
async function tries(t, name, tls, address) {
  const child = await startNode(t, { path: file(), name, listen: false, config: { maxRetries: 0 }, quicConfig: { tls } });
  await child.db('insert', [1]);
  return child.sync('sync', 'shared', address);
}

async function refused(t, name, tls, server) {
  const before = await server.db('count');
  const { success, errorCode, error, bytesReceived } = await tries(t, name, tls, server.address);
  assert.deepEqual([success, errorCode, bytesReceived], [false, 'ERR_TRUST', 0], `${name}: ${error}`);
  assert.equal(await server.db('count'), before, `${name}: nothing came in`);
}

test('members of one authority sync, and nobody else does', async (t) => {
  const server = await startNode(t, { path: file(), name: 'server', quicConfig: { tls: member('alpha') } });
  const { success, error } = await tries(t, 'member', member('beta'), server.address);
  assert.ok(success, error);
  assert.equal(await server.db('count'), 1);
  await refused(t, 'expired', member('expired'), server);
  await refused(t, 'stranger', member('stranger'), server);
  await refused(t, 'self-made', { caPath: at('ca.pem') }, server);
  await refused(t, 'trusting', { dangerousAcceptAnyPeer: true }, server);
});

test('an authority and a certificate are replaced without a restart', async (t) => {
  const server = await node(t, 'server', quicConfig(member('alpha')));
  const client = await node(t, 'client', { config: { maxRetries: 0 }, ...quicConfig(member('beta')) });
  await client.db.insert([1]);
  await synced(client, server);

  await server.sync.setTrust(member('alpha', 'other-ca'));
  assert.equal((await client.sync.sync('shared', server.address)).errorCode, 'ERR_TRUST');
  const before = server.sync.fingerprint;
  await server.sync.setTrust(member('renewed'));
  assert.notEqual(server.sync.fingerprint, before);
  await synced(client, server);

  await client.sync.setTrust({ pinnedFingerprints: [server.sync.fingerprint] });
  await synced(client, server);
  await client.sync.setTrust({ pinnedFingerprints: [before] });
  assert.equal((await client.sync.sync('shared', server.address)).errorCode, 'ERR_TRUST');
});

test('members of a cluster prove its secret to each other, and outsiders learn nothing', async (t) => {
  const server = await startNode(t, { path: file(), name: 'server', quicConfig: { tls: secret(OLD) } });
  const { success, error } = await tries(t, 'member', { clusterSecret: OLD }, server.address);
  assert.ok(success, error);
  await refused(t, 'outsider', {}, server);
  await refused(t, 'guesser', secret(NEW), server);
  await refused(t, 'trusting', { dangerousAcceptAnyPeer: true }, server);

  const plain = await startNode(t, { path: file(), name: 'plain' });
  await refused(t, 'member of a cluster', secret(OLD), plain);
});

test('a secret is rotated while nodes sync', async (t) => {
  const [a, b] = [await node(t, 'a', quicConfig(secret(OLD))), await node(t, 'b', quicConfig(secret(OLD)))];
  const former = await node(t, 'former', quicConfig(secret(OLD)));
  for (const [one, secrets] of [[b, [OLD, NEW]], [a, [NEW, OLD]], [b, [NEW]], [a, [NEW]]]) {
    await a.db.insert([1]);
    await synced(a, b);
    await one.sync.setTrust(secret(...secrets));
  }
  await synced(a, b);
  assert.equal(await b.db.count(), 4);
  assert.equal((await former.sync.sync('shared', b.address)).errorCode, 'ERR_TRUST');
  assert.equal(await former.db.count(), 0);
});

test('trust that cannot be read changes nothing', async (t) => {
  const [a, b] = [await node(t, 'a', quicConfig(secret(OLD))), await node(t, 'b', quicConfig(secret(OLD)))];
  const error = await fails('ERR_CONFIG', () => a.sync.setTrust({ clusterSecret: 'hunter2' }), /clusterSecret/);
  assert.ok(!error.message.includes('hunter2'), error.message);
  await fails('ERR_CONFIG', () => a.sync.setTrust({ caPath: at('missing.pem') }), /missing\.pem/);
  await fails('ERR_CONFIG', () => a.sync.setTrust({ caPath: at('alpha.key') }), /no certificate/);
  await fails('ERR_CONFIG', () => a.sync.setTrust({ ...member('alpha'), keyPath: at('beta.key') }), /does not go with/);
  await fails('ERR_ARGUMENT', () => a.sync.setTrust({ secret: OLD }), /clusterSecret/);
  for (const bad of [undefined, null, 'all']) await fails('ERR_ARGUMENT', () => a.sync.setTrust(bad), /tls/);
  await synced(a, b);
  await a.sync.close();
  await fails('ERR_CLOSED', () => a.sync.setTrust({}));
});

test('setTrust initializes an engine that is not', async (t) => {
  const server = await node(t, 'server', quicConfig(secret(OLD)));
  const db = await open(t, { path: file(), nodeId: 'client', shardId: 'shared' });
  const early = await engine(t, db, 'client', { maxRetries: 0 });
  await early.setTrust(secret(OLD));
  const { success, error } = await early.sync('shared', server.address);
  assert.ok(success, error);
});

test('messages travel between members only', async (t) => {
  const transport = async (tls) => {
    const made = await QuicTransport.create({ tls });
    t.after(() => made.close());
    return made;
  };
  const [server, client] = [await transport(secret(OLD)), await transport(secret(OLD))];
  server.onMessage((_from, { id }) => ({ id, type: 'result', payload: 'done' }));
  const address = await server.listen(0);
  const ask = (from) => from.request(address, { id: '1', type: 'task', payload: null });
  assert.equal((await ask(client)).id, '1');
  await fails('ERR_TRUST', async () => ask(await transport(secret(NEW))), /clusterSecret/);
  await server.setTrust(secret(NEW));
  // What is on its way while the connection is cut may be answered or lost, and says so; nothing is sent twice.
  const outcome = () => ask(client).then(() => 'answered', ({ code }) => code);
  await until(async () => {
    const code = await outcome();
    assert.ok(['answered', 'ERR_PEER_UNREACHABLE', 'ERR_TRUST'].includes(code), code);
    return code === 'ERR_TRUST';
  }, 'the refusal');
  await fails('ERR_TRUST', () => ask(client), /clusterSecret/);
  await client.setTrust(secret(NEW));
  assert.equal((await ask(client)).id, '1');
});
