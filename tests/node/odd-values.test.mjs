// Odd values at every argument of every call: the right kind of result, or an error with one of the codes. Never a crash,
// a hang, or another error. `npm run dev -- odd [CALLS] [SEED]` makes more calls than the usual 5,000.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import * as api from '@agentic-flow/sqlite-vector';
import { engine, folder, open } from './support.mjs';

const CALLS = Number(process.env.VECTR_ODD_CALLS ?? 5000);
const SEED = Number(process.env.VECTR_ODD_SEED ?? 1);
const CODES = /^ERR_(ABORTED|ARGUMENT|BUSY|CHECKSUM|CLOCK_SKEW|CLOSED|CODEC|CONFIG|DIMENSIONS|EMPTY_DELTA|EXISTS|HANDLER|LIMIT|MANUAL_RESOLUTION|NODE_ID|NOT_FOUND|NOT_HELD|PEER_UNREACHABLE|PROTOCOL|STORAGE|TIMEOUT|TRANSACTION|TRUST|UNKNOWN_PEER|VECTOR)$/;

const random = mulberry32(SEED);
const below = (count) => Math.floor(random() * count);
const one = (list) => list[below(list.length)];

function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const thrower = () => {
  throw one([new Error('mine'), undefined, null, 'text', Symbol('s'), { code: 'ERR_CLOSED' }, revoked()]);
};
function revoked() {
  const { proxy, revoke } = Proxy.revocable(one([() => ({}), () => [], () => () => 1])(), {});
  revoke();
  return proxy;
}
const traps = ['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor'];
const deep = (levels) => JSON.parse(`${'{"a":['.repeat(levels)}1${']}'.repeat(levels)}`);
const cycle = {};
cycle.self = [cycle];

/** Each makes an odd value. */
const ODD = [
  () => undefined,
  () => null,
  () => one([true, false]),
  () => one([0, -0, 1, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 1e308, 5e-324]),
  () => one([0n, 1n, -1n, 2n ** 63n, 2n ** 64n, 2n ** 200n]),
  () => one(['', ' ', '\0', 'a\0b', '\n', '\ud800', 'x\udc00', '\ufeff', '__proto__', 'constructor', 'toString', '💾', 'ä', '.', '../x', '0']),
  () => one(['x'.repeat(257), 'x'.repeat(1025), 'é'.repeat(513), 'x'.repeat(70_000)]),
  () => one(['s', 'v', 'n', 'last-write-wins', 'merge', '127.0.0.1:1', 'localhost', '[::1]:0', ':', '256.0.0.1:1', 'a:99999']),
  () => one([Symbol('s'), Symbol.iterator]),
  () => one([() => 1, async () => {}, function* () {}, class {}, thrower]),
  () => one([[], [[]], [undefined], [null], [,], [1, , 2], [NaN], ['1'], [{}], [[1, 2]], new Array(5000), Object.freeze([1, 2])]),
  () => one([{}, Object.create(null), { length: 2, 0: 1, 1: 2 }, { then: 1 }, { toJSON: 1 }, { toJSON: thrower }, { valueOf: thrower }]),
  () => one([new Map(), new Map([['n', 1]]), new Map([[{}, NaN]]), new Set([1]), new WeakMap(), new Date(NaN), new Date(0), /x/, new Error('e')]),
  () => one([Uint8Array.of(1), new Uint8Array(0), Float32Array.of(1, 2), Float32Array.of(NaN), Float64Array.of(1), new DataView(new ArrayBuffer(8)), new ArrayBuffer(8), new Float32Array(new SharedArrayBuffer(8))]),
  () => detached(),
  () => one([Promise.resolve(1), { then: thrower }, { get then() { return thrower(); } }]),
  () => revoked(),
  () => new Proxy(one([{}, [1, 2], () => 1]), Object.fromEntries([[one(traps), thrower]])),
  () => ({ get [one(KEYS)]() { return thrower(); } }),
  () => Object.defineProperty([1, 2], one([0, 1]), { get: thrower }),
  () => ({ [one(KEYS)]: odd() }),
  () => [odd(), odd()],
  () => one([cycle, deep(3), deep(600), deep(2000)]),
  () => one([new String('s'), new Number(1), new Boolean(false), Object(1n), Object(Symbol('s'))]),
  () => ({ [Symbol.toStringTag]: one(['Float32Array', 'Map', 'Error', 'Promise']) }),
  () => ({ get [Symbol.toStringTag]() { return thrower(); } }),
  () => one([AbortSignal.abort(odd()), { aborted: false, addEventListener: thrower }, { aborted: true, addEventListener() {} }]),
  () => one([globalThis, process, api, Buffer.alloc(3), arguments_(1, 2)]),
];
const KEYS = ['id', 'vector', 'metadata', 'shardId', 'vectorId', 'signal', 'timeoutMs', 'payload', 'serialize', 'length', 'then', 'toJSON', 'path', 'tls', 'changes', 'type', 'dot', 'versionVector'];

function odd() {
  return one(ODD)();
}

function detached() {
  const array = Float32Array.of(1, 2);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function arguments_() {
  return arguments;
}

const change = () => ({
  id: 1, operation: 'insert', shardId: 's', vectorId: 'v', vector: [1, 2], metadata: { a: 1 }, timestamp: 1,
  sourceNode: 'n', versionVector: new Map([['n', 1]]), dot: { site: 'n', seq: 1 },
});
const operation = () => ({ type: 'insert', vectorId: 'v', vector: [1, 2], metadata: { a: 1 }, timestamp: 1 });
const delta = () => api.DeltaEncoder.encode('s', [change()]);
const bytes = () => api.DeltaEncoder.serialize(delta());
const conflict = () => ({ id: 'c', shardId: 's', vectorId: 'v', localChange: change(), remoteChange: change(), detectedAt: 1 });
const message = () => ({ id: '1', type: 'task', payload: { a: [1, Uint8Array.of(1)] }, metadata: { a: 1 }, streamId: 's' });
const peer = () => ({ nodeId: 'p', address: '127.0.0.1:1', shards: ['s'], lastContact: 1, status: 'unknown' });
const signal = () => new AbortController().signal;
const soon = () => ({ signal: signal(), timeoutMs: 1 });
const tls = () => ({ pinnedFingerprints: ['ab'.repeat(32)], clusterSecret: 'x'.repeat(16), rights: { '*': { read: ['s'], write: ['s'] } } });
const quic = () => ({ serverName: 'localhost', connectTimeoutMs: 5, enable0Rtt: false, tls: tls() });
const config = () => ({ conflictStrategy: 'merge', batchSize: 5, maxRetries: 0, maxUnsentBytes: 2 ** 20, maxUnappliedBytes: 2 ** 20, maxShardsPerPeer: 5, logger: { error() {} }, onConflict: () => null });

/** Every call with arguments that are right: `[name, call, ...makers of arguments]`. */
function callsOf({ db, sync, coordinator, transport, reader, dir }) {
  const on = (name, object, ...methods) => methods.map(([method, ...makers]) => [`${name}.${method}`, (...args) => object[method](...args), ...makers]);
  const closed = async (made) => {
    await made.close();
  };
  return [
    ['VectrDB.open', async (options) => closed(await api.VectrDB.open(options)), () => ({ memoryMode: true, shardId: 's', nodeId: 'n', dimensions: 2, busyTimeoutMs: 50, logLimitBytes: 2 ** 20, readOnly: false })],
    ...on('db', db,
      ['insert', () => [1, 2], () => ({ a: [1, { b: 2 }] }), () => ({ shardId: 's' })],
      ['upsert', () => 'v', () => Float32Array.of(1, 2), () => ({ a: 1 }), () => ({ shardId: 's' })],
      ['insertBatch', () => [{ vector: [1, 2], metadata: { a: 1 } }, { vector: [3, 4] }], () => ({ shardId: 's' })],
      ['update', () => 'v', () => [1, 2], () => ({ a: 1 }), () => ({ shardId: 's' })],
      ['delete', () => 'gone', () => ({ shardId: 's' })],
      ['get', () => 'v', () => ({ shardId: 's' })],
      ['search', () => [1, 2], () => 3, () => ({ shardId: 's', metric: 'dot', threshold: 0, includeVectors: true, signal: signal() })],
      ['count', () => ({ shardId: 's' })],
      ['query', () => 'SELECT ? AS a, ? AS b', () => [1, 'x'], () => ({ signal: signal(), timeoutMs: 100, maxRows: 10, maxBytes: 1000 })],
      ['digest', () => 's'],
      ['shards'],
      ['getStats'],
    ),
    ['db.backup', (path) => db.backup(path), () => join(dir, `${below(2 ** 30)}.db`)],
    ['db.changes', async (options) => (await db.changes(options).return()).done, () => ({ shardId: 's', since: 0, signal: signal() })],
    ['db.iterate', (options) => drained(db.iterate(options)), () => ({ shardId: 's', includeVectors: true, after: 'a' })],
    ['db.transaction', (work) => db.transaction(work), () => async (tx) => tx.get('v')],
    ['tx.insert', (...args) => inTransaction(db, (tx) => tx.insert(...args)), () => [1, 2], () => ({ a: 1 }), () => ({ shardId: 's' })],
    ['tx.insertBatch', (...args) => inTransaction(db, (tx) => tx.insertBatch(...args)), () => [{ vector: [1, 2] }], () => ({ shardId: 's' })],
    ['computeDelta', api.computeDelta, () => db, () => 0, () => ({ shardId: 's', maxVectors: 5, answerTo: new api.Delta(delta()) })],
    ['applyDelta', api.applyDelta, () => db, () => new api.Delta(delta()), () => ({ shardId: 's' })],
    ...on('reader', reader,
      ['readChanges', () => 's', () => 0, () => 5],
      ['getLatestChangeId', () => 's'],
      ['getVersionVector', () => 's'],
      ['updateVersionVector', () => 's', () => new Map()],
    ),
    ['new ChangelogReader', (...args) => new api.ChangelogReader(...args), () => db],
    ['new VectorQuicSync', (...args) => closed(new api.VectorQuicSync(...args)), () => db, () => 'n', config],
    ['createVectorSync', async (...args) => closed(await api.createVectorSync(...args)), () => db, () => 'n', config, quic],
    ['createShardCoordinator', async (...args) => closed(await api.createShardCoordinator(...args)), () => db, () => 'n', config, () => 5, quic],
    ['new VectrQuicSync', (...args) => closed(new api.VectrQuicSync(...args)), () => db, () => '127.0.0.1:1', () => ({ quicConfig: quic() })],
    ['sync.sync', (...args) => sync.sync(...args), () => 's', () => '127.0.0.1:1', () => false, () => ({ signal: signal(), onProgress() {} })],
    ...on('sync', sync,
      ['setTrust', tls],
      ['pinPeer', () => 'cd'.repeat(32)],
      ['unpinPeer', () => 'ab'.repeat(32)],
      ['stopAutoSync', () => 's'],
      ['getShardState', () => 's'],
      ['getSession'],
      ['getUnresolvedConflicts', () => 's'],
      ['resolveConflict', () => 'c', change],
      ['off', () => 'change', () => () => {}],
      ['getStats'],
    ),
    ['sync.on', (event, listener) => sync.on(event, listener).off(event, listener), () => 'change', () => () => {}],
    ['sync.once', (event, listener) => sync.once(event, listener).off(event, listener), () => 'peer', () => () => {}],
    ['sync.events', (options) => sync.events(options).return(), () => ({ signal: signal() })],
    ['sync.initialize', (...args) => sync.initialize(...args), quic],
    ...on('coordinator', coordinator,
      ['registerPeer', peer],
      ['unregisterPeer', () => 'p'],
      ['getPeers'],
      ['getNeighbours'],
      ['setTopology', () => 'ring'],
      ['scheduleSyncTask', () => 's', () => '127.0.0.1:1', () => 5],
      ['getPendingTasksCount'],
      ['clearPendingTasks'],
      ['getStats'],
      ['getAllShardStates'],
      ['syncWithPeer', () => '127.0.0.1:2', () => ({ signal: signal() })],
      ['executeTasks', () => ({ signal: AbortSignal.abort() })],
      ['healthCheck', () => ({ signal: AbortSignal.abort() })],
    ),
    ['QuicTransport.create', async (options) => closed(await api.QuicTransport.create(options)), quic],
    ...on('transport', transport,
      ['send', () => '127.0.0.1:1', message, soon],
      ['sendBatch', () => '127.0.0.1:1', () => [message(), message()], soon],
      ['request', () => '127.0.0.1:1', message, soon],
      ['receive', () => '127.0.0.1:1', () => 's', soon],
      ['pinPeer', () => 'cd'.repeat(32)],
      ['unpinPeer', () => 'ab'.repeat(32)],
      ['setTrust', tls],
      ['getStats'],
    ),
    ['transport.onMessage', (...args) => transport.onMessage(...args)(), () => () => {}, () => ({ streamId: 's' })],
    ...on('DeltaEncoder', api.DeltaEncoder,
      ['encode', () => 's', () => [change()], () => 'lz4'],
      ['decode', delta],
      ['serialize', delta],
      ['deserialize', bytes],
      ['batch', () => [change()], () => 5],
      ['optimize', () => [change()]],
    ),
    ['new Delta', (...args) => new api.Delta(...args).changes, delta],
    ['Delta.deserialize', (...args) => api.Delta.deserialize(...args).operations, bytes],
    ['new ConflictResolver', (...args) => new api.ConflictResolver(...args), () => 'merge'],
    ...on('resolver', new api.ConflictResolver('merge'),
      ['resolve', change, change],
      ['resolveAll', () => [change()], () => [change()]],
      ['setStrategy', () => 'manual'],
    ),
    ...on('tracker', new api.ConflictTracker(),
      ['addConflict', conflict],
      ['getForShard', () => 's'],
      ['resolveConflict', () => 'c', change],
    ),
    ...on('VersionVector', api.VersionVector,
      ['compare', () => new Map([['n', 1]]), () => new Map([['n', 2]])],
      ['relation', () => new Map([['n', 1]]), () => new Map([['m', 2]])],
      ['merge', () => new Map([['n', 1]]), () => new Map([['m', 2]])],
      ['increment', () => new Map([['n', 1]]), () => 'n'],
    ),
    ['resolveConflicts', api.resolveConflicts, () => [operation()], () => [operation()], () => 'merge-vectors'],
    ['resolveDeltas', api.resolveDeltas, bytes, bytes, () => 'merge'],
    ['decodeColumns', api.decodeColumns, bytes],
    ['encodeColumns', api.encodeColumns, () => api.decodeColumns(bytes()), () => 'none'],
  ];
}

async function drained(walk) {
  for await (const _ of walk);
}

function inTransaction(db, work) {
  return db.transaction(work);
}

/** One argument, or a part of one, becomes odd; seldom a second one. */
function spoiled(makers) {
  const args = makers.map((make) => make());
  do {
    const at = below(args.length + 1);
    try {
      args[at] = spoiledPart(args[at], 3);
    } catch {
      // It has been spoiled already.
    }
  } while (random() < 0.2);
  return args;
}

function spoiledPart(value, levels) {
  if (levels === 0 || random() < 0.4 || typeof value !== 'object' || value === null) return odd();
  if (value instanceof Map) return new Map([...value, [odd(), odd()]]);
  const own = Object.keys(value);
  if (ArrayBuffer.isView(value) || own.length === 0 || own.length > 20) return odd();
  const copy = Array.isArray(value) ? value.slice() : Object.assign(Object.create(Object.getPrototypeOf(value)), value);
  const key = one(own);
  copy[key] = spoiledPart(value[key], levels - 1);
  return copy;
}

/** Undefined for a result, else the failure. Where `waiting` is given, a call may go on waiting there. */
async function settled(call, waiting) {
  let timer;
  const late = new Promise((resolve, reject) => {
    const end = waiting ? resolve : () => reject(new Error('it hangs'));
    timer = setTimeout(end, waiting ? 50 : 60_000);
  });
  try {
    const called = call();
    if (waiting) waiting.add(called);
    await Promise.race([called, late]);
    return undefined;
  } catch (error) {
    return { error };
  } finally {
    clearTimeout(timer);
  }
}

test(`${CALLS} calls with odd values end well (seed ${SEED})`, async (t) => {
  const warned = () => {};
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const db = await open(t, { shardId: 's', nodeId: 'n', busyTimeoutMs: 1000 });
  await db.insert([1, 2], { a: 1 }, { id: 'v' });
  const sync = await engine(t, db, 'n', { maxRetries: 0 }, { connectTimeoutMs: 5 });
  const coordinator = new api.ShardCoordinator(sync);
  t.after(() => coordinator.close());
  const transport = await api.QuicTransport.create({ connectTimeoutMs: 5 });
  t.after(() => transport.close());
  const reader = new api.ChangelogReader(db);
  const [dir, before] = [folder(), process.cwd()];
  // Without a signal and a time these wait until the transport is closed.
  const waiting = new Set();
  const calls = callsOf({ db, sync, coordinator, transport, reader, dir });
  // Paths such as ' ' are files, too.
  process.chdir(dir);
  t.after(() => process.chdir(before));
  for (const [name, call, ...makers] of calls) {
    if (/iterate|backup|sync\.initialize/.test(name)) continue;
    const failure = await settled(() => call(...makers.map((make) => make())));
    const code = failure?.error?.code;
    assert.ok(failure === undefined || CODES.test(code), `${name} as it should be: ${failure?.error?.stack}`);
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let number = 0; number < CALLS; number++) {
    const [name, call, ...makers] = one(calls);
    const args = spoiled(makers);
    const failure = await settled(() => call(...args), /^transport\.(receive|request|send)/.test(name) && waiting);
    if (failure === undefined) continue;
    const { error } = failure;
    // What its own function throws, a transaction passes on.
    if (isCoded(error) || name === 'db.transaction') continue;
    assert.fail(`call ${number} of seed ${SEED}, ${name}: ${describe(error)}`);
  }
  delay.disable();
  const [most, usual] = [delay.max, delay.percentile(99.9)].map((nanoseconds) => (nanoseconds / 1e6).toFixed(1));
  t.diagnostic(`longest event-loop delay: ${most} ms, and ${usual} ms of 999 in 1,000`);
  assert.equal(typeof (await db.count()), 'number');
  await transport.close();
  const ended = await settled(() => Promise.allSettled(waiting));
  assert.equal(ended, undefined, 'what waits ends with the close');
});

function isCoded(error) {
  try {
    return error instanceof Error && CODES.test(error.code) && typeof error.message === 'string';
  } catch {
    // A proxy that was revoked.
    return false;
  }
}

function describe(error) {
  try {
    return `${error?.code} ${error?.stack ?? String(error)}`;
  } catch {
    return 'something that cannot be read';
  }
}
