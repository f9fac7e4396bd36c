// Messages between transports of this process, and with a worker thread.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import * as everything from '@agentic-flow/sqlite-vector';
import * as entry from '@agentic-flow/sqlite-vector/transport';
import { MAX_MESSAGE_BYTES, QuicTransport } from '@agentic-flow/sqlite-vector/transport';
import { fails, phrase, until } from './support.mjs';

const NOBODY = 'ab'.repeat(32);

async function transport(t, config) {
  const made = await QuicTransport.create(config);
  t.after(() => made.close());
  return made;
}

/** A listening transport, its address, and a client. */
async function pair(t, config) {
  const [server, client] = [await transport(t, config), await transport(t)];
  return { server, client, address: await server.listen(0) };
}

const task = (id, payload = null, rest = {}) => ({ id: String(id), type: 'task', payload, ...rest });

/** The client's address as the server knows it. */
async function met(server, client, address) {
  const from = new Promise((resolve) => {
    const stop = server.onMessage((sender) => resolve(sender) ?? stop(), { streamId: 'greetings' });
  });
  await client.send(address, task('hello', null, { streamId: 'greetings' }));
  return from;
}

test('one class, whichever way it was imported', () => {
  assert.equal(everything.QuicTransport, entry.QuicTransport);
  assert.throws(() => new QuicTransport(), { code: 'ERR_ARGUMENT', message: /QuicTransport.create/ });
});

test('a message arrives as it was sent, arrays and all', async (t) => {
  const { server, client, address } = await pair(t);
  const got = [];
  server.onMessage((from, message) => void got.push([from, message]));
  const payload = {
    text: 'ä€😀',
    numbers: [0, -1.5, 1e300],
    none: null,
    left: undefined,
    vector: phrase(0),
    nested: [[new Uint8Array([1, 2, 3])], { 'a/b~c': new Float32Array([1, NaN, -Infinity]), '': new Uint8Array() }],
    buffer: Buffer.from('bytes'),
    part: new Float32Array([9, 8, 7, 6]).subarray(1, 3),
    ['__proto__']: { deep: new Uint8Array([7]) },
  };
  const sent = [
    task('whole', payload, { metadata: { source: 'a', tags: [1, { deep: true }] }, streamId: 'one' }),
    task('bytes', new Uint8Array([255, 0]), { streamId: 7 }),
    task('vector', phrase(1)),
    task('text', 'just text'),
    { id: 'nothing', type: 'heartbeat', payload: undefined },
  ];
  for (const message of sent) await client.send(address, message);
  const [whole, bytes, vector, text, nothing] = got.map(([, message]) => message);
  const { left, buffer, ...expected } = payload;
  assert.deepEqual(whole.payload, { ...expected, ['__proto__']: payload['__proto__'], buffer: new Uint8Array(buffer) });
  assert.ok(Object.hasOwn(whole.payload, '__proto__') && Object.getPrototypeOf(whole.payload) === Object.prototype);
  assert.deepEqual([whole.metadata, whole.streamId, whole.type], [sent[0].metadata, 'one', 'task']);
  assert.deepEqual([bytes.payload, bytes.streamId], [new Uint8Array([255, 0]), 7]);
  assert.deepEqual(vector.payload, phrase(1));
  assert.equal(text.payload, 'just text');
  assert.deepEqual(nothing, { id: 'nothing', type: 'heartbeat', payload: undefined });
  assert.match(got[0][0], /^127\.0\.0\.1:\d+$/);
});

test('what would not arrive as it is is refused by its place', async (t) => {
  const { client, address } = await pair(t);
  const cycle = { a: [] };
  cycle.a.push(cycle);
  const deep = JSON.parse('['.repeat(600) + ']'.repeat(600));
  for (const [payload, place] of [
    [{ a: [() => {}] }, /message\.payload\.a\[0\] is a function/],
    [1n, /message\.payload is 1n/],
    [{ m: new Map() }, /payload\.m is an object \(Map, not plain\)/],
    [[new Date()], /payload\[0\] is an object \(Date/],
    [{ n: NaN }, /payload\.n is NaN/],
    [[1, undefined], /payload\[1\] is undefined/],
    [cycle, /payload\.a\[0\] contains itself/],
    [{ f: new Float64Array(2) }, /payload\.f is an object \(Float64Array/],
    [{ toJSON: () => 1 }, /payload is an object/],
    [deep, /levels/],
  ]) {
    const error = await fails('ERR_ARGUMENT', () => client.send(address, task(1, payload)), place);
    assert.ok(error instanceof TypeError);
  }
  await fails('ERR_ARGUMENT', () => client.send(address), /message is undefined/);
  await fails('ERR_ARGUMENT', () => client.send(address, { ...task(1), payloda: 1 }), /did you mean 'payload'/);
  const odd = task(1, null, { metadata: { v: new Uint8Array(1) } });
  await fails('ERR_ARGUMENT', () => client.send(address, odd), /metadata/);
  await fails('ERR_ARGUMENT', () => client.send(address, task(1, null, { streamId: '' })), /streamId/);
  await fails('ERR_ARGUMENT', () => client.send(address, task(1, null, { streamId: NaN })), /streamId/);
  await fails('ERR_ARGUMENT', () => client.send(address, { id: 1, type: 'task', payload: null }), /message\.id/);
  await fails('ERR_ARGUMENT', () => client.send('no address!', task(1)), /no address!/);
  await fails('ERR_ARGUMENT', () => client.request(address, task(1), { timeoutMs: 0 }), /timeoutMs/);
  await fails('ERR_ARGUMENT', () => client.sendBatch(address, [task(1), {}]), /messages\[1\]/);
  await fails('ERR_ARGUMENT', () => client.listen(70_000), /port/);
  await fails('ERR_ARGUMENT', () => client.onMessage('x'), /handler/);
  await fails('ERR_CONFIG', () => QuicTransport.create({ tls: { caPath: 'x' } }), /caPath/);
});

test('messages of a streamId arrive in order, through send and sendBatch, and to receive', async (t) => {
  const { server, client, address } = await pair(t);
  const from = await met(server, client, address);
  const ids = Array.from({ length: 500 }, (_, index) => String(index));
  const sent = Promise.all([
    ...ids.slice(0, 250).map((id) => client.send(address, task(id))),
    client.sendBatch(address, ids.slice(250).map((id) => task(id))),
  ]);
  const received = await Promise.all(ids.map(() => server.receive(from)));
  assert.deepEqual(received.map(({ id }) => id), ids);
  await sent;
});

test('100,000 messages in order over one connection', async (t) => {
  const { server, client, address } = await pair(t);
  let next = 0;
  server.onMessage((_, { id }) => {
    assert.equal(id, String(next));
    next += 1;
  });
  while (next < 100_000) {
    const first = next;
    await client.sendBatch(address, Array.from({ length: 1_000 }, (_, index) => task(first + index)));
  }
  const { created, outgoingBytes } = await client.getStats();
  assert.deepEqual([next, created, outgoingBytes], [100_000, 1, 0]);
});

test('requests get what the handler returns, each its own', async (t) => {
  const { server, client, address } = await pair(t);
  server.onMessage(async (_, { id, payload }) => {
    if (payload === 'slow') await new Promise((resolve) => setTimeout(resolve, 30));
    return { id: `re:${id}`, type: 'result', payload: { doubled: new Float32Array([2]) } };
  });
  const slow = client.request(address, task('slow', 'slow', { streamId: 's' }));
  const quick = await client.request(address, task('quick', 'quick', { streamId: 's' }));
  const payload = { doubled: new Float32Array([2]) };
  assert.deepEqual(quick, { id: 're:quick', type: 'result', payload, streamId: 's' });
  assert.equal((await slow).id, 're:slow');
});

test('handlers of the streamId come first, all that fit are called, and can be taken away', async (t) => {
  const { server, client, address } = await pair(t);
  const calls = [];
  const general = server.onMessage((_, { id }) => (calls.push(`all ${id}`), task('all', id)));
  const own = server.onMessage((_, { id }) => (calls.push(`own ${id}`), task('own', id)), { streamId: 's' });
  assert.equal((await client.request(address, task(1, null, { streamId: 's' }))).id, 'own');
  assert.equal((await client.request(address, task(2))).id, 'all');
  own();
  own();
  assert.equal((await client.request(address, task(3, null, { streamId: 's' }))).id, 'all');
  assert.deepEqual(calls, ['own 1', 'all 1', 'all 2', 'all 3']);
  general();
  await fails('ERR_TIMEOUT', () => client.request(address, task(4), { timeoutMs: 30 }));
  server.onMessage(() => task('later'));
  assert.equal((await client.request(address, task(5))).id, 'later');
});

test('a handler that throws is ERR_HANDLER for who asked, and a warning where nobody did', async (t) => {
  const { server, client, address } = await pair(t);
  const warned = once(process, 'warning');
  server.onMessage((_, { id }) => {
    if (id === 'sync') throw new Error('thrown at once');
    if (id === 'odd') return 42;
    if (id === 'bad') return task('bad', () => {});
    return Promise.reject(new Error('rejected'));
  });
  await fails('ERR_HANDLER', () => client.request(address, task('sync')), /thrown at once/);
  await fails('ERR_HANDLER', () => client.request(address, task('async')), /rejected/);
  await fails('ERR_HANDLER', () => client.request(address, task('odd')), /42/);
  await fails('ERR_HANDLER', () => client.request(address, task('bad')), /payload/);
  await client.send(address, task('sync'));
  const [{ name, code, detail }] = await warned;
  assert.deepEqual([name, code], ['VectrHandlerWarning', 'ERR_HANDLER']);
  assert.match(detail, /thrown at once/);
});

test('64 MiB arrive, one byte more is refused', async (t) => {
  const { server, client, address } = await pair(t);
  const bytes = new Uint8Array(MAX_MESSAGE_BYTES + 1).map((_, index) => index * 7919);
  server.onMessage((_, { payload }) => task('size', payload.length + payload[12345]));
  const answer = await client.request(address, task(1, bytes.subarray(0, MAX_MESSAGE_BYTES)));
  assert.equal(answer.payload, MAX_MESSAGE_BYTES + bytes[12345]);
  await fails('ERR_LIMIT', () => client.send(address, task(2, bytes)), /67108865/);
  await fails('ERR_LIMIT', () => client.send(address, task(3, 'x'.repeat(MAX_MESSAGE_BYTES))), /67108866/);
});

test('a receiver that does not read slows the sender down, and memory stays level', async (t) => {
  const { server, client, address } = await pair(t);
  const from = await met(server, client, address);
  const payload = new Uint8Array(64 * 1024);
  let acknowledged = 0;
  const sending = (async () => {
    for (let group = 0; group < 32; group += 1) {
      await client.sendBatch(address, Array.from({ length: 128 }, (_, index) => task(group * 128 + index, payload)));
      acknowledged += 128;
    }
  })();
  await until(async () => (await server.getStats()).incomingBytes > 4_000_000, 'a full queue');
  const levels = [process.memoryUsage().rss];
  for (let round = 0; round < 500; round += 1) {
    // Another stream is as quick as ever.
    await client.send(address, task(round, null, { streamId: 'greetings' }), { timeoutMs: 20 }).catch(() => {});
    if (round === 0) server.onMessage(() => {}, { streamId: 'greetings' });
  }
  const { incomingBytes } = await server.getStats();
  const { outgoingBytes } = await client.getStats();
  levels.push(process.memoryUsage().rss);
  const shown = levels.map((rss) => (rss / 2 ** 20).toFixed(0));
  t.diagnostic(`RSS ${shown} MiB; ${incomingBytes} bytes wait at the receiver, ${outgoingBytes} at the sender`);
  assert.equal(acknowledged, 0);
  assert.ok(incomingBytes < 5_000_000 && outgoingBytes < 10_000_000);
  for (let index = 0; index < 32 * 128; index += 1) assert.equal((await server.receive(from)).id, String(index));
  await sending;
});

test('a signal ends what waits, and nothing is lost by it', async (t) => {
  const { server, client, address } = await pair(t);
  const from = await met(server, client, address);
  const stop = new AbortController();
  const { signal } = stop;
  const waiting = [
    server.receive(from, undefined, { signal }),
    client.request(address, task('asked', null, { streamId: 'q' }), { signal }),
    client.send(address, task('sent', null, { streamId: 'r' }), { signal }),
  ];
  setTimeout(() => stop.abort(), 20);
  // All at once: a rejection that nobody waits for yet would end the test.
  await Promise.all(waiting.map((call) => fails('ERR_ABORTED', () => call)));
  await fails('ERR_ABORTED', () => server.receive(from, undefined, { signal }));
  await fails('ERR_TIMEOUT', () => server.receive(from, undefined, { timeoutMs: 5 }));
  const [{ id }] = await Promise.all([server.receive(from), client.send(address, task('kept'))]);
  assert.equal(id, 'kept');
});

test('closing fails what is pending with ERR_CLOSED', async (t) => {
  const { server, client, address } = await pair(t);
  const pending = [
    client.receive(address),
    client.send(address, task(1)),
    client.request(address, task(2)),
    client.sendBatch(address, [task(3)]),
  ].map((call) => call.then(() => 'done', ({ code }) => code));
  await until(async () => (await server.getStats()).incomingBytes > 0, 'the messages');
  await Promise.all([client.close(), client.close()]);
  assert.deepEqual(await Promise.all(pending), Array(4).fill('ERR_CLOSED'));
  for (const call of [
    () => client.send(address, task(1)),
    () => client.receive(address),
    () => client.listen(0),
    () => client.getStats(),
    () => client.onMessage(() => {}),
  ])
    await fails('ERR_CLOSED', call);
});

test('once it is closed no handler is called', async (t) => {
  for (let round = 0; round < 20; round++) {
    const { server, client, address } = await pair(t);
    let heard = 0;
    server.onMessage(() => void heard++);
    const sent = Array.from({ length: 500 }, (_, id) => client.send(address, task(id)).catch(({ code }) => code));
    await until(() => heard > round * 20, 'the first messages');
    await server.close();
    const before = heard;
    await Promise.all(sent);
    assert.equal(heard, before);
  }
});

test('who is not pinned gets nothing, from the moment on when that is said', async (t) => {
  const { server, client, address } = await pair(t, { tls: { pinnedFingerprints: [NOBODY] } });
  const got = [];
  server.onMessage((_, { id }) => void got.push(id));
  await fails('ERR_TRUST', () => client.send(address, task(1)), new RegExp(client.fingerprint));
  server.pinPeer(client.fingerprint);
  assert.deepEqual(server.pinnedFingerprints, [NOBODY, client.fingerprint].sort());
  await client.send(address, task(2));
  assert.equal(server.unpinPeer(client.fingerprint), true);
  await fails('ERR_TRUST', async () => {
    for (;;) await client.send(address, task(3));
  });
  assert.deepEqual(new Set(got.slice(0, 2)), new Set(['2', ...got.slice(1, 2)]));
  assert.ok(!got.includes('1'));
});

test('nobody there is ERR_PEER_UNREACHABLE', async (t) => {
  const { server, address } = await pair(t);
  const client = await transport(t, { connectTimeoutMs: 300 });
  await server.close();
  await fails('ERR_PEER_UNREACHABLE', () => client.send(address, task(1)));
});

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { QuicTransport } = await import('@agentic-flow/sqlite-vector/transport');
    const transport = await QuicTransport.create();
    transport.onMessage((_, { id, payload }) => ({ id, type: 'result', payload: payload.map((x) => x * 2) }));
    parentPort.postMessage(await transport.listen(0));
    parentPort.on('message', () => transport.close().then(() => parentPort.close()));
  })();`;

test('a worker thread answers, ends by itself after close, and by force takes nothing along', async (t) => {
  const client = await transport(t);
  for (const end of ['close', 'terminate']) {
    const worker = new Worker(WORKER, { eval: true });
    const exited = once(worker, 'exit');
    const [address] = await once(worker, 'message');
    const { payload } = await client.request(address, task(1, new Float32Array([1, 2])));
    assert.deepEqual(payload, new Float32Array([2, 4]));
    if (end === 'close') worker.postMessage('close');
    else void worker.terminate();
    const [code] = await exited;
    assert.equal(code, end === 'close' ? 0 : 1);
  }
  const { server, address } = await pair(t);
  server.onMessage(() => task('alive'));
  assert.equal((await client.request(address, task(2))).id, 'alive');
});
