// What the environment configures, each in a process of its own: an argument comes first, then a variable.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startNode } from './actors/process.mjs';
import { fails, file, node } from './support.mjs';

const at = (name) => fileURLToPath(new URL(`certificates/${name}`, import.meta.url));
const SECRET = 'a secret from the environment';
const child = (t, env, more) =>
  startNode(t, { path: file(), name: 'child', listen: false, config: { maxRetries: 0 }, env, ...more });
const outcome = async (child, address) => {
  const { success, errorCode, error } = await child.sync('sync', 'shared', address);
  return success ? 'synced' : `${errorCode}: ${error}`;
};

test('where to listen', async (t) => {
  const env = { QUIC_HOST: 'localhost', QUIC_PORT: '0' };
  const { address } = await child(t, env, { listen: 'as the environment says' });
  const [, port] = /^127\.0\.0\.1:(\d+)$/.exec(address) ?? [];
  assert.ok(port !== undefined && port !== '4433' && port !== '0', address);
  const told = await child(t, { ...env, QUIC_HOST: '192.0.2.1' }, { listen: true });
  assert.match(told.address, /^127\.0\.0\.1:/, 'an argument comes first');
});

test('whom to trust, unless an argument says otherwise', async (t) => {
  const server = await node(t, 'server', { quicConfig: { tls: { clusterSecret: SECRET } } });
  assert.equal(await outcome(await child(t, { QUIC_CLUSTER_SECRET: SECRET }), server.address), 'synced');
  const quicConfig = { tls: { clusterSecret: 'another secret of an argument' } };
  const other = await child(t, { QUIC_CLUSTER_SECRET: SECRET }, { quicConfig });
  assert.match(await outcome(other, server.address), /^ERR_TRUST/);

  const pinned = await child(t, { QUIC_PINNED_FINGERPRINTS: 'AB'.repeat(32), QUIC_CLUSTER_SECRET: SECRET });
  assert.match(await outcome(pinned, server.address), /^ERR_TRUST.*not pinned|^ERR_TRUST.*pinnedFingerprints/);
  await pinned.sync('setTrust', { pinnedFingerprints: [server.sync.fingerprint] });
  assert.equal(await outcome(pinned, server.address), 'synced');
});

test('certificates', async (t) => {
  const tls = { caPath: at('ca.pem'), certPath: at('alpha.pem'), keyPath: at('alpha.key') };
  const server = await node(t, 'server', { quicConfig: { tls } });
  const env = { QUIC_CA_PATH: at('ca.pem'), QUIC_CERT_PATH: at('beta.pem'), QUIC_KEY_PATH: at('beta.key') };
  assert.equal(await outcome(await child(t, env), server.address), 'synced');
  assert.match(await outcome(await child(t, { QUIC_CA_PATH: env.QUIC_CA_PATH }), server.address), /^ERR_TRUST/);
});

test('a value that cannot be used is refused with the name of its variable', async (t) => {
  for (const [env, words] of [
    [{ QUIC_VERIFY_PEER: 'false' }, /QUIC_VERIFY_PEER='false'.*dangerousAcceptAnyPeer/],
    [{ AGENTIC_FLOW_ENABLE_QUIC: 'maybe' }, /AGENTIC_FLOW_ENABLE_QUIC='maybe'.*true or false/],
    [{ QUIC_PORT: '70000' }, /QUIC_PORT='70000'.*65535/],
    [{ QUIC_SERVER_PORT: 'x' }, /QUIC_SERVER_PORT='x'/],
    [{ QUIC_HOST: 'a b' }, /QUIC_HOST='a b'/],
    [{ QUIC_SERVER_HOST: 'hub:4433' }, /QUIC_SERVER_HOST='hub:4433'/],
    [{ QUIC_MAX_CONNECTIONS: '0' }, /QUIC_MAX_CONNECTIONS='0'.*1 to 65536/],
    [{ QUIC_MAX_STREAMS: '1e3' }, /QUIC_MAX_STREAMS='1e3'/],
    [{ QUIC_PINNED_FINGERPRINTS: 'ab' }, /QUIC_PINNED_FINGERPRINTS='ab'/],
    [{ QUIC_CLUSTER_SECRET: 'short' }, /QUIC_CLUSTER_SECRET: it has 5 bytes/],
    [{ QUIC_CA_PATH: '/missing/ca.pem' }, /QUIC_CA_PATH '\/missing\/ca\.pem'/],
    [{ QUIC_CERT_PATH: at('alpha.pem') }, /QUIC_CERT_PATH.*key/],
  ]) {
    await fails('ERR_CONFIG', () => child(t, env), words);
  }
});

test('limits', async (t) => {
  const server = await child(t, { QUIC_MAX_STREAMS: '1' }, { listen: true });
  const client = await child(t, { QUIC_MAX_CONNECTIONS: '1' });
  assert.equal(await outcome(client, server.address), 'synced');
  const stats = await client.sync('getStats');
  assert.equal(stats.created, 1);
});
