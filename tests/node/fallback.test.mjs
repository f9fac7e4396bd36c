// Where UDP does not get through: the same over TLS on TCP, chosen by itself. A socket that swallows every datagram
// stands for the firewall; a network whose kernel drops them is in tests/tests/system/no_udp.rs.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { QuicTransport } from '@agentic-flow/sqlite-vector/transport';
import { startNode } from './actors/process.mjs';
import { content, fails, file, node, phrase, phraseItems, synced } from './support.mjs';

const tcpOnly = { enableQuic: false };
// A quarter of it is what UDP has before TCP is tried.
const patient = { connectTimeoutMs: 8000 };

/** Takes the UDP port of an address and answers nothing. Returns how many datagrams came, or undefined where the port is
 *  somebody else's. */
async function swallow(t, address) {
  const socket = createSocket('udp4');
  const { hostname, port } = new URL(`udp://${address}`);
  let datagrams = 0;
  socket.on('message', () => (datagrams += 1));
  socket.bind(Number(port), hostname);
  const bound = await Promise.race([once(socket, 'listening').then(() => true), once(socket, 'error').then(() => false)]);
  t.after(() => socket.close());
  return bound ? () => datagrams : undefined;
}

/** What `start` makes at an address where UDP is swallowed. */
async function deaf(t, start) {
  for (;;) {
    const made = await start();
    const datagrams = await swallow(t, made.address);
    if (datagrams !== undefined) return { ...made, datagrams };
  }
}

test('a sync succeeds, and says how', async (t) => {
  const far = await deaf(t, () => node(t, 'far', { quicConfig: tcpOnly }));
  const near = await node(t, 'near', { quicConfig: patient });
  await far.db.insertBatch(phraseItems(300));
  await near.db.insertBatch(phraseItems(200, 300));
  const result = await synced(near, far);
  assert.deepEqual([result.fallback, result.changesSent, result.changesApplied], [true, 200, 300]);
  assert.ok(far.datagrams() > 0, 'UDP was tried');
  assert.deepEqual(await content(near.db), await content(far.db));
  assert.equal((await near.sync.getStats()).fallback, 1);

  await near.db.insert(phrase(7));
  assert.equal((await synced(near, far)).fallback, true);
  assert.equal((await near.sync.getStats()).created, 1, 'the same connection');
});

test('messages and answers', async (t) => {
  const far = await deaf(t, async () => {
    const transport = await QuicTransport.create(tcpOnly);
    t.after(() => transport.close());
    transport.onMessage((_, { id, payload }) => ({ id: `re ${id}`, type: 'result', payload }));
    return { address: await transport.listen(0, '127.0.0.1') };
  });
  const near = await QuicTransport.create(patient);
  t.after(() => near.close());
  const payload = { vector: phrase(1), large: new Uint8Array(20 << 20).fill(7) };
  const answer = await near.request(far.address, { id: '1', type: 'task', payload });
  assert.equal(answer.id, 're 1');
  assert.deepEqual(answer.payload, payload);
  const stats = await near.getStats();
  assert.equal(stats.fallback, 1);
});

test('where UDP gets through it is used, and without the fallback nothing else', async (t) => {
  const [near, far] = [await node(t, 'near'), await node(t, 'far')];
  assert.equal((await synced(near, far)).fallback, undefined);
  assert.equal((await near.sync.getStats()).fallback, 0);

  const silent = await deaf(t, () => node(t, 'silent', { quicConfig: tcpOnly }));
  const strict = await node(t, 'strict', {
    config: { maxRetries: 0 },
    quicConfig: { enableFallback: false, connectTimeoutMs: 1000 },
  });
  const result = await strict.sync.sync('shared', silent.address);
  assert.deepEqual([result.success, result.errorCode], [false, 'ERR_PEER_UNREACHABLE']);
  const neither = { quicConfig: { enableQuic: false, enableFallback: false } };
  await fails('ERR_CONFIG', () => node(t, 'neither', neither), /enableFallback/);
});

test('a lack of trust is final, over either', async (t) => {
  const far = await deaf(t, () => node(t, 'far', { quicConfig: tcpOnly }));
  const tls = { pinnedFingerprints: ['AB'.repeat(32)] };
  const near = await node(t, 'near', { quicConfig: { ...patient, tls } });
  const refused = await near.sync.sync('shared', far.address);
  assert.deepEqual([refused.success, refused.errorCode], [false, 'ERR_TRUST']);
  near.sync.setTrust({ pinnedFingerprints: [far.sync.fingerprint] });
  assert.equal((await synced(near, far)).fallback, true);
});

test('a process whose environment rules QUIC out', async (t) => {
  const far = await node(t, 'far');
  const env = { AGENTIC_FLOW_ENABLE_QUIC: 'false' };
  const near = await startNode(t, { path: file(), name: 'near', listen: false, config: { maxRetries: 0 }, env });
  const result = await near.sync('sync', 'shared', far.address);
  assert.deepEqual([result.success, result.fallback], [true, true], result.error);
});
