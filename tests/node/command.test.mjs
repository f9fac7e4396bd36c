// The command of the package: what it prints, and how it serves Node clients.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { runCommand, serve } from './actors/command.mjs';
import { parseMetrics, readByPrometheus, sampleOf } from './prometheus.mjs';
import { engine, fails, file, folder, open, phraseItems, until } from './support.mjs';

/** A closed database in a folder: its shard is the file's stem. */
async function written(where, name, count, first = 0) {
  const path = join(where, name);
  const db = await VectrDB.open({ path });
  if (count > 0) await db.insertBatch(phraseItems(count, first));
  await db.close();
  return path;
}

async function json(t, args, code = 0) {
  const ran = await runCommand(t, [...args, '--json']);
  assert.deepEqual([ran.code, ran.signal], [code, null], ran.err);
  assert.match(ran.out, /^\{.*\}\n$/, 'one line');
  return JSON.parse(ran.out);
}

async function scrape({ http }) {
  const answer = await fetch(`${http}/metrics`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return parseMetrics(await answer.text());
}

/** A relay of UDP to `address` that goes silent after it has answered so many bytes. */
async function relay(t, address, bytes) {
  const [front, back] = [createSocket('udp4'), createSocket('udp4')];
  t.after(() => [front, back].forEach((socket) => socket.close()));
  const port = Number(address.split(':').at(-1));
  let [left, client] = [bytes, undefined];
  front.on('message', (datagram, from) => {
    client = from.port;
    if (left > 0) back.send(datagram, port, '127.0.0.1');
  });
  back.on('message', (datagram) => {
    left -= datagram.length;
    if (left > 0) front.send(datagram, client, '127.0.0.1');
  });
  front.bind(0, '127.0.0.1');
  await once(front, 'listening');
  return `127.0.0.1:${front.address().port}`;
}

test('--json prints one document for each command', async (t) => {
  const where = folder();
  const path = await written(where, 'notes.db', 20);
  const { fingerprint, paste } = await json(t, ['identity', '--db', path]);
  assert.match(fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(paste, `tls: { pinnedFingerprints: ["${fingerprint}"] }`);
  const server = await serve(t, await written(folder(), 'notes.db', 5, 100));
  const { success, results } = await json(t, ['sync', path, server.listen, '--node-id', 'a']);
  assert.deepEqual([success, results[0].changesSent, results[0].changesApplied], [true, 20, 5]);
  const { nodeId, shards } = await json(t, ['status', path]);
  assert.deepEqual([nodeId, shards[0].vectors, shards[0].dimensions], ['a', 25, 384]);
  assert.deepEqual([shards[0].peers[0].fingerprint, shards[0].peers[0].changesBehind], [server.fingerprint, 0]);
  assert.equal((await json(t, ['verify', path])).sound, true);
  assert.equal((await json(t, ['verify', join(where, 'missing.db')], 1)).errorCode, 'ERR_ARGUMENT');
  assert.equal((await runCommand(t, ['nonsense'])).code, 2);
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.equal((await runCommand(t, ['--version'])).out, `vectr ${version}\n`);
});

test('verify finds what was altered in the file', async (t) => {
  const path = await written(folder(), 'notes.db', 20);
  const bytes = readFileSync(path);
  const text = '{"number":7}';
  // SQLite leaves stale copies where pages were divided.
  let copies = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), copies++) bytes[at + 10] ^= 1;
  assert.ok(copies > 0, 'the metadata is in the file as text');
  writeFileSync(path, bytes);
  const { sound, faults } = await json(t, ['verify', path], 1);
  assert.equal(sound, false);
  assert.deepEqual([faults.length, faults[0].kind, faults[0].vectorId], [1, 'row', 'p7']);
});

test('serve answers a Node client, and its metrics agree with what that saw', async (t) => {
  const served = folder();
  await written(served, 'notes.db', 300);
  await written(served, 'papers.db', 10);
  const server = await serve(t, served);
  const before = await scrape(server);
  assert.equal(sampleOf(before, 'vectr_rows_sent_total', { shard: 'notes' }), 0, 'counters are there from the start');

  const db = await open(t, { path: file('client.db'), shardId: 'notes' });
  await db.insertBatch(phraseItems(40, 1000));
  const sync = await engine(t, db, 'client');
  const results = [];
  for (const shard of ['notes', 'notes', 'papers']) results.push(await sync.sync(shard, server.listen));
  for (const result of results) assert.ok(result.success, result.error);
  const refused = await sync.sync('strange', server.listen);
  assert.equal(refused.errorCode, 'ERR_NOT_FOUND', refused.error);

  const sum = (name) => results.slice(0, 2).reduce((total, result) => total + result[name], 0);
  const finished = (metrics) => sampleOf(metrics, 'vectr_sessions_total', { shard: 'notes', outcome: 'finished' });
  let metrics;
  // A result is there a little before the server's side of its session is over.
  await until(async () => finished((metrics = await scrape(server))) === 2, 'the end of both sessions');
  const notes = (name) => sampleOf(metrics, name, { shard: 'notes' });
  assert.deepEqual([notes('vectr_rows_sent_total'), notes('vectr_rows_applied_total')], [300, 40]);
  assert.equal(notes('vectr_rows_sent_total'), sum('changesApplied'));
  assert.equal(notes('vectr_rows_received_total'), sum('changesSent'));
  assert.equal(notes('vectr_conflicts_detected_total'), sum('conflictsDetected'));
  assert.equal(notes('vectr_shard_vectors'), await db.count());
  assert.equal(sampleOf(metrics, 'vectr_shard_vectors', { shard: 'papers', database: 'papers.db' }), 10);
  assert.equal(notes('vectr_peer_changes_behind'), 0);
  assert.equal(sampleOf(metrics, 'vectr_peer_changes_behind', { shard: 'notes', peer: sync.fingerprint, node: 'client' }), 0);
  const { created, active, idle } = await sync.getStats();
  assert.equal(sampleOf(metrics, 'vectr_connections_accepted_total'), created);
  assert.equal(sampleOf(metrics, 'vectr_connections'), active + idle);
  assert.equal(sampleOf(metrics, 'vectr_sessions_refused_total'), 1);
  assert.equal(sampleOf(metrics, 'vectr_ready'), 1);

  // A client counts bytes when it has its result: the last message may be on its way.
  const within = (served, seen) => assert.ok(served >= seen && served - seen < 200, `${served} and ${seen}`);
  within(notes('vectr_received_bytes_total'), sum('bytesSent'));
  within(notes('vectr_sent_bytes_total'), sum('bytesReceived'));

  server.child.kill('SIGTERM');
  assert.deepEqual(await server.closed.then(({ code, signal }) => [code, signal]), [0, null]);
  const hub = await open(t, { path: join(served, 'notes.db') });
  assert.equal(await hub.digest(), await db.digest('notes'));
});

test('Prometheus reads the metrics as they are meant', { skip: process.platform !== 'linux' }, async (t) => {
  const served = folder();
  await written(served, 'a "b" \\c\\n, {d=1}.db', 3);
  await written(served, 'papers.db', 10);
  const server = await serve(t, served);
  const text = await (await fetch(`${server.http}/metrics`)).text();
  const ours = parseMetrics(text);
  const theirs = readByPrometheus(text);
  assert.equal(sampleOf(ours, 'vectr_shard_vectors', { shard: 'a "b" \\c\\n, {d=1}' }), 3);
  assert.ok(theirs.size > 10, text);
  const samples = ({ samples }) => samples.map(({ labels, value }) => ({ labels, value }));
  for (const [name, family] of ours) {
    if (family.samples.length === 0) continue;
    assert.deepEqual(samples(theirs.get(name)), samples(family), name);
    assert.deepEqual([theirs.get(name).type, theirs.get(name).help], [family.type, family.help], name);
  }
});

test('health: 200 while it serves; loopback names only', async (t) => {
  const server = await serve(t, await written(folder(), 'notes.db', 1));
  for (const path of ['healthz', 'readyz']) assert.equal((await fetch(`${server.http}/${path}`)).status, 200);
  assert.equal((await fetch(`${server.http}/other`)).status, 404);
  assert.equal((await runCommand(t, ['serve', file('a.db'), '--http', '0.0.0.0:0', '--json'])).code, 1);
});

// Under npm one Ctrl-C is heard twice, which killed the server instead of draining it.
for (const [first, echo] of [['SIGTERM'], ['SIGINT'], ['SIGINT', 'SIGINT'], ['SIGINT', 'SIGTERM']]) {
  test(`${first}${echo ? ` with ${echo}` : ''} in the middle of a sync lets it end, then exits 0`, async (t) => {
    const path = await written(folder(), 'notes.db', 6000);
    const server = await serve(t, path);
    const db = await open(t, { path: file('client.db'), shardId: 'notes' });
    await db.insertBatch(phraseItems(500, 6000));
    const sync = await engine(t, db, 'client', { maxRetries: 0, batchSize: 20 });
    let told = false;
    const result = await sync.sync('notes', server.listen, false, {
      onProgress: () => {
        if (told) return;
        told = server.child.kill(first);
        const at = performance.now();
        // Late, under load, it would be no echo.
        const send = () => performance.now() - at < 250 && server.child.kill(echo);
        if (echo) setTimeout(send, 20);
      },
    });
    assert.ok(told, 'it was told in the middle');
    assert.ok(result.success, `${result.errorCode}: ${result.error}`);
    assert.deepEqual([result.changesSent, result.changesApplied], [500, 6000]);
    const { code, signal: by, err } = await server.closed;
    assert.deepEqual([code, by], [0, null], err);
    assert.match(err, /vectr: drained\n$/);
    const hub = await open(t, { path });
    assert.equal(await hub.digest(), await db.digest());
  });
}

// After SIGINT a SIGTERM was taken for the first signal, and the server went on waiting.
for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGTERM']]) {
  test(`${first} and then ${second} end it`, async (t) => {
    const server = await serve(t, await written(folder(), 'notes.db', 3000), ['--drain-seconds', '86400']);
    const db = await open(t, { path: file('client.db'), shardId: 'notes' });
    const sync = await engine(t, db, 'client');
    // Of some 5 MB that the client lacks: the session can neither end nor fail for half a minute.
    const address = await relay(t, server.listen, 200_000);
    const running = fails('ERR_CLOSED', () => sync.sync('notes', address));
    const begun = (metrics) => sampleOf(metrics, 'vectr_sessions') === 1;
    await until(async () => begun(await scrape(server)), 'the sync');
    server.child.kill(first);
    await until(async () => (await fetch(`${server.http}/readyz`)).status === 503, 'the draining');
    assert.equal(server.child.exitCode, null, 'it waits for the sync');
    // One that follows the first within half a second counts as its echo.
    const again = setInterval(() => server.child.kill(second), 100);
    const { code, signal, err } = await server.closed.finally(() => clearInterval(again));
    assert.deepEqual([code, signal], [null, second], err);
    await sync.close();
    await running;
  });
}

test('a database that an agent has open is open to status, verify and query as well', async (t) => {
  const path = file('agent.db');
  const db = await open(t, { path, nodeId: 'agent' });
  await db.insertBatch(phraseItems(50));
  assert.equal((await json(t, ['status', path])).shards[0].vectors, 50);
  assert.equal((await json(t, ['verify', path])).sound, true);
  await db.insert([...phraseItems(1)[0].vector], undefined, { id: 'one-more' });
  assert.equal((await json(t, ['status', path])).shards[0].vectors, 51);
});

test('a folder with a shard in two files is refused with a code', async (t) => {
  const where = folder();
  mkdirSync(join(where, 'served'));
  for (const name of ['one.db', 'two.db']) {
    const db = await VectrDB.open({ path: join(where, 'served', name), shardId: 'same' });
    await db.insert([1, 2]);
    await db.close();
  }
  const { errorCode, error } = await json(t, ['serve', join(where, 'served'), '--no-http'], 1);
  assert.equal(errorCode, 'ERR_CONFIG');
  assert.match(error, /'same'.*one\.db.*two\.db/);
});
