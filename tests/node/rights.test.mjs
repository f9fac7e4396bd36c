// What a trusted peer may do with which shards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startNode } from './actors/process.mjs';
import { file, node, synced } from './support.mjs';

const at = (name) => fileURLToPath(new URL(`certificates/${name}`, import.meta.url));
const member = (name) => ({ caPath: at('ca.pem'), certPath: at(`${name}.pem`), keyPath: at(`${name}.key`) });
const serve = (t, tls) => node(t, 'server', { quicConfig: { tls } });
const call = (t, name, tls) =>
  startNode(t, { path: file(), name, listen: false, config: { maxRetries: 0 }, quicConfig: { tls } });

test('who may only read gets everything, and its changes are refused with a code', async (t) => {
  const server = await serve(t, { rights: { '*': { read: ['shared'] } } });
  await server.db.insert([1], undefined, { id: 'theirs' });
  const digest = await server.db.digest();
  const reader = await call(t, 'reader');
  await reader.db('insert', [2], undefined, { id: 'mine' });
  const result = await reader.sync('sync', 'shared', server.address);
  assert.ok(result.success, result.error);
  assert.equal(result.changesApplied, 1);
  assert.match(result.warnings.join(), /ERR_FORBIDDEN: 1 rows of this node were held back by the peer, 'mine' first/);
  assert.equal(await server.db.digest(), digest);

  await server.sync.setTrust({ rights: { '*': { write: ['shared'] } } });
  const again = await reader.sync('sync', 'shared', server.address);
  assert.deepEqual([again.success, again.warnings ?? []], [true, []], again.error);
  assert.equal(await server.db.digest(), await reader.db('digest'));
});

test('a shard that is not shared and one that is not there answer alike', async (t) => {
  const server = await serve(t, { rights: { '*': { write: ['public'] } } });
  await server.db.insert([1]);
  const stranger = await call(t, 'stranger');
  const answers = [];
  for (const shard of ['shared', 'nowhere']) {
    const { success, errorCode, error, attempts, bytesReceived } = await stranger.sync('sync', shard, server.address);
    answers.push({ success, errorCode, error, attempts, bytesReceived });
  }
  assert.deepEqual(answers[0], answers[1]);
  assert.deepEqual([answers[0].errorCode, answers[0].attempts], ['ERR_FORBIDDEN', 1], answers[0].error);
  assert.deepEqual(await server.db.shards(), ['shared']);
});

test('rights go by the name in a certificate, and by fingerprint', async (t) => {
  const server = await serve(t, { ...member('alpha'), rights: { 'beta.example': { write: ['shared'] } } });
  await server.db.insert([1]);
  const beta = await call(t, 'beta', member('beta'));
  const renewed = await call(t, 'alpha', member('renewed'));
  const outcome = async (peer) => (await peer.sync('sync', 'shared', server.address)).errorCode;
  assert.equal(await outcome(beta), undefined);
  assert.equal(await outcome(renewed), 'ERR_FORBIDDEN');
  await server.sync.setTrust({ ...member('alpha'), rights: { [renewed.fingerprint]: { read: ['*'] } } });
  assert.equal(await outcome(beta), 'ERR_FORBIDDEN');
  assert.equal(await outcome(renewed), undefined);
});

test('who calls holds the called to its rights as well', async (t) => {
  const server = await serve(t, {});
  await server.db.insert([1]);
  const tls = { rights: { [server.sync.fingerprint]: { read: ['shared'] } } };
  const client = await node(t, 'client', { quicConfig: { tls } });
  const result = await synced(client, server);
  assert.match(result.warnings.join(), /ERR_FORBIDDEN: 1 rows of the peer were held back here/);
  assert.equal(await client.db.count(), 0);
  await client.sync.setTrust({ rights: {} });
  const forbidden = await client.sync.sync('shared', server.address);
  assert.equal(forbidden.errorCode, 'ERR_FORBIDDEN');
  assert.ok(forbidden.error.includes(server.sync.fingerprint), forbidden.error);
});
