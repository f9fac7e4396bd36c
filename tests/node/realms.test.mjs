// Test runners such as Jest load a package into a vm context, whose globals are not those of the addon. What the package
// hands out was of the addon's realm there: `toEqual(Float32Array.of(1, 2))`, `toStrictEqual({})` and `instanceof` failed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { VectrDB, VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { file, until } from './support.mjs';

const ENTRY = fileURLToPath(import.meta.resolve('@agentic-flow/sqlite-vector')).replace(/\.mjs$/, '.js');

/** The package as Jest loads it: its CommonJS files run in a context of their own, addon and builtins come from here. */
function loadInContext() {
  const { console, process, Buffer, TextEncoder, AbortController, performance, setInterval, clearInterval } = globalThis;
  const shared = { console, process, Buffer, TextEncoder, AbortController, performance, setInterval, clearInterval };
  const context = vm.createContext(shared);
  const loaded = new Map();
  const load = (path) => {
    if (loaded.has(path)) return loaded.get(path).exports;
    const module = { exports: vm.runInContext('({})', context) };
    loaded.set(path, module);
    const real = createRequire(path);
    const require = (name) => {
      const found = name.startsWith('.') ? real.resolve(name) : name;
      return found.endsWith('.js') ? load(found) : real(name);
    };
    const wrapper = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'utf8')}\n})`;
    vm.runInContext(wrapper, context, { filename: path })(module.exports, require, module, path, dirname(path));
    return module.exports;
  };
  return { api: load(ENTRY), evaluate: (code) => vm.runInContext(code, context) };
}

/** Throws for the first value within `value` that is not of the context's realm. */
function assertOwn(evaluate, value) {
  const isOwn = evaluate(`(value) => {
    const kinds = [Object, Array, Map, Error, Promise, Float32Array, Float64Array, Uint8Array, Uint32Array, Int32Array];
    return kinds.some((kind) => value instanceof kind);
  }`);
  const look = (part, path) => {
    if (typeof part !== 'object' || part === null) return;
    assert.ok(isOwn(part), `${path} is of another realm: ${Object.prototype.toString.call(part)}`);
    if (ArrayBuffer.isView(part)) return;
    const entries = Object.prototype.toString.call(part) === '[object Map]' ? [...part] : Object.entries(part);
    for (const [key, inner] of entries) look(inner, `${path}.${String(key)}`);
  };
  look(value, 'value');
}

test('a database hands out objects of the realm that loaded the package', async (t) => {
  const { api, evaluate } = loadInContext();
  const db = await api.VectrDB.open({ path: file(), nodeId: 'a', shardId: 's' });
  t.after(() => db.close());
  const own = (...values) => {
    for (const value of values) assertOwn(evaluate, value);
    return values[0];
  };
  await own(db.insert([1, 2], { title: 'one', tags: ['x'] }, { id: 'a' }));
  own(await db.insertBatch([{ id: 'b', vector: Float32Array.of(3, 4) }]));
  assert.deepEqual([...own(await db.get('a')).vector], [1, 2]);
  assert.equal(own(await db.search([1, 2], 2, { includeVectors: true })).length, 2);
  assert.deepEqual([...own(await db.shards())], ['s']);
  for await (const entry of db.iterate({ includeVectors: true })) own(entry);
  const [row] = own(await db.query('SELECT id, vector, x\'00ff\' AS bytes, 9007199254740993 AS large FROM vectors'));
  assert.deepEqual([row.id, [...row.bytes], row.large], ['a', [0, 255], 9007199254740993n]);
  const delta = own(await api.computeDelta(db, 0));
  own(delta.changes, delta.operations, delta.conflicts, delta.serialize());
  await api.applyDelta(db, delta);
  const reader = new api.ChangelogReader(db);
  own(await reader.readChanges('s', 0), await reader.getVersionVector('s'));
  own(await db.transaction(async (tx) => own(await tx.get('b'))));
  const failure = await db.get(5).catch((error) => error);
  assert.equal(own(failure).code, 'ERR_ARGUMENT');
  assert.ok(evaluate('(error) => error instanceof TypeError')(failure));
  const exists = own(await db.insert([1, 2], undefined, { id: 'a' }).catch((error) => error));
  assert.ok(exists instanceof api.VectrError);
  assert.equal(exists.code, 'ERR_EXISTS');
});

test('so do the functions over deltas', () => {
  const { api, evaluate } = loadInContext();
  const change = (node, timestamp) => ({
    id: 1, operation: 'insert', shardId: 's', vectorId: 'v', vector: Float32Array.of(1, timestamp), metadata: { node },
    timestamp, sourceNode: node, versionVector: new Map([[node, 1]]),
  });
  const changes = [change('a', 1), change('b', 2)];
  const encoded = api.DeltaEncoder.encode('s', changes);
  const bytes = api.DeltaEncoder.serialize(encoded);
  const columns = api.decodeColumns(bytes);
  const resolver = new api.ConflictResolver('merge');
  const read = api.DeltaEncoder.deserialize(bytes);
  for (const value of [
    bytes,
    columns,
    api.encodeColumns(columns),
    read,
    api.DeltaEncoder.serialize(read),
    api.DeltaEncoder.decode(read),
    api.resolveDeltas(bytes, bytes),
    resolver.resolveAll([], read.changes),
    api.VersionVector.merge(changes[0].versionVector, changes[1].versionVector),
  ]) {
    assertOwn(evaluate, value);
  }
  assert.equal(resolver.resolveAll(changes, []).resolved.length, 1);
  assert.deepEqual([...bytes], [...api.DeltaEncoder.serialize(read)]);
});

test('so do engines, coordinators and their events', async (t) => {
  const { api, evaluate } = loadInContext();
  const own = (...values) => {
    for (const value of values) assertOwn(evaluate, value);
    return values[0];
  };
  const db = await api.VectrDB.open({ path: file(), nodeId: 'a', shardId: 's' });
  const peer = await VectrDB.open({ path: file(), nodeId: 'b', shardId: 's' });
  const config = { conflictStrategy: 'manual', retryBackoffMs: 1 };
  const sync = await api.createVectorSync(db, 'a', config);
  const other = new VectorQuicSync(peer, 'b', config);
  t.after(() => Promise.all([sync.close(), other.close()]).then(() => Promise.all([db.close(), peer.close()])));
  const address = await other.listen('127.0.0.1:0');
  const events = [];
  for (const name of ['change', 'conflict', 'progress', 'syncError']) sync.on(name, (event) => events.push(own(event)));
  await db.insert([1, 2], undefined, { id: 'v' });
  await peer.insert([3, 4], undefined, { id: 'v' });
  const progress = [];
  const result = await sync.sync('s', address, false, { onProgress: (one) => progress.push(own(one)) });
  assert.equal(own(result).conflictsUnresolved.length, 1);
  await until(() => events.some(({ type }) => type === 'conflict'), 'the conflict');
  await sync.sync('s', 'no address');
  await until(() => events.some(({ type }) => type === 'syncError'), 'the failure');
  own(await sync.getShardState('s'), sync.getSession(), sync.getUnresolvedConflicts(), await sync.getStats());
  own(sync.pinnedFingerprints);
  const [conflict] = sync.getUnresolvedConflicts();
  await sync.resolveConflict(conflict.id, conflict.localChange);
  const coordinator = new api.ShardCoordinator(sync);
  t.after(() => coordinator.close());
  coordinator.registerPeer({ nodeId: 'b', address, shards: ['s'] });
  own(coordinator.getPeers(), coordinator.getNeighbours(), coordinator.getStats(), await coordinator.syncAll());
  own(await coordinator.healthCheck(), await coordinator.getAllShardStates());
  const aborted = evaluate('new AggregateError([])');
  const controller = new AbortController();
  controller.abort(aborted);
  const failure = own(await sync.sync('s', address, false, { signal: controller.signal }).catch((error) => error));
  assert.deepEqual([failure.code, failure.cause], ['ERR_ABORTED', aborted]);
});

test('so does a transport, and what its handlers get', async (t) => {
  const { api, evaluate } = loadInContext();
  const own = (...values) => {
    for (const value of values) assertOwn(evaluate, value);
    return values[0];
  };
  const transport = await api.QuicTransport.create();
  t.after(() => transport.close());
  const address = await transport.listen(0);
  transport.onMessage((_, message) => {
    own(message);
    if (message.type === 'fail') throw evaluate("new RangeError('out of it')");
    return { id: message.id, type: 'result', payload: { echo: message.payload } };
  });
  const payload = { vector: Float32Array.of(1, 2), bytes: Uint8Array.of(3) };
  const answer = own(await transport.request(address, { id: '1', type: 'task', payload, metadata: { a: [1] } }));
  assert.deepEqual([...answer.payload.echo.vector], [1, 2]);
  const failed = own(await transport.request(address, { id: '2', type: 'fail', payload: null }).catch((error) => error));
  assert.equal(failed.code, 'ERR_HANDLER');
  assert.match(failed.message, /out of it/);
  own(await transport.getStats(), transport.pinnedFingerprints);
});

test('what comes from another realm is taken as an argument', async (t) => {
  const { evaluate } = loadInContext();
  const db = await VectrDB.open({ path: file(), nodeId: 'a', shardId: 's' });
  t.after(() => db.close());
  await db.insert(evaluate('Float32Array.of(1, 2)'), evaluate("({ tags: ['x'] })"), evaluate("({ id: 'a' })"));
  await db.insertBatch(evaluate("[{ id: 'b', vector: [3, 4] }]"));
  assert.deepEqual((await db.get('a')).metadata, { tags: ['x'] });
  const [row] = await db.query('SELECT ? AS bytes', evaluate('[Uint8Array.of(1)]'));
  assert.deepEqual([...row.bytes], [1]);
  await db.insert(evaluate('new Float32Array(new SharedArrayBuffer(8))'), undefined, { id: 'c' });

  const messages = [];
  const logger = evaluate('(messages) => ({ error: (message) => messages.push(message) })')(messages);
  const sync = new VectorQuicSync(db, 'a', { logger, maxRetries: 0 });
  t.after(() => sync.close());
  assert.throws(() => new VectorQuicSync(db, 'a', { logger: evaluate('({ warning() {} })') }), /has no 'warning'/);
  sync.on('syncError', evaluate("() => { throw new Error('from elsewhere'); }"));
  await sync.sync('s', 'no address');
  await until(() => messages.length > 0, 'the message');
  assert.match(messages[0], /listener threw: from elsewhere/);
});
