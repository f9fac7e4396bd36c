// Values that throw when they are looked at, and values that would arrive as others: errors with a code and the place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ConflictResolver,
  DeltaEncoder,
  VectorQuicSync,
  VersionVector,
  VectrDB,
  applyDelta,
  computeDelta,
  encodeColumns,
  resolveConflicts,
} from '@agentic-flow/sqlite-vector';
import { QuicTransport } from '@agentic-flow/sqlite-vector/transport';
import { fails, open } from './support.mjs';

const NOWHERE = '127.0.0.1:1';
const CAUSE = new Error('mine');
const thrower = () => {
  throw CAUSE;
};
const withGetter = (name) => Object.defineProperty({}, name, { get: thrower, enumerable: true });
function revoked(target = {}) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

async function transport(t) {
  const made = await QuicTransport.create();
  t.after(() => made.close());
  return made;
}

const message = (payload, metadata) => ({ id: '1', type: 'task', payload, metadata });

test('the error of bad metadata names the whole path', async (t) => {
  const db = await open(t);
  for (const [bad, words] of [
    [{ a: { b: [1, { c: NaN }] } }, 'metadata.a.b[1].c is NaN'],
    [{ list: [[1, 10n]] }, 'metadata.list[0][1] is 10n'],
    [{ a: { m: new Map() } }, 'metadata.a.m is an object (Map)'],
    [{ same: [1], x: { y: { z: () => 1 } } }, 'metadata.x.y.z is a function'],
    [{ a: { 'b c': Symbol('s') } }, 'metadata.a.b c is a symbol'],
  ]) {
    const error = await fails('ERR_ARGUMENT', () => db.insert([1], bad));
    assert.ok(error.message.startsWith(`${words}: `), error.message);
  }
  const twice = { n: 1 };
  const error = await fails('ERR_ARGUMENT', () =>
    db.insertBatch([
      { vector: [1] },
      { vector: [1], metadata: { one: twice, two: { twice, bad: [twice, -Infinity] } } },
    ]),
  );
  assert.match(error.message, /^items\[1\]\.metadata\.two\.bad\[1\] is -Infinity/);
});

test('a key called toJSON is an ordinary key unless it is a function, in metadata and in messages', async (t) => {
  const [db, sender] = [await open(t), await transport(t)];
  await db.insert([1], { toJSON: 't', in: { toJSON: 1 } }, { id: 'a' });
  assert.deepEqual((await db.get('a')).metadata, { toJSON: 't', in: { toJSON: 1 } });
  sender.onMessage((_, { payload, metadata }) => message({ payload, metadata }));
  const address = await sender.listen(0);
  const sent = { toJSON: 't', in: [{ toJSON: 1, bytes: Uint8Array.of(1) }] };
  const answer = await sender.request(address, message(sent, { toJSON: 't' }));
  assert.deepEqual(answer.payload, { payload: sent, metadata: { toJSON: 't' } });
  await fails('ERR_ARGUMENT', () => sender.send(address, message({ toJSON: () => 1 })), /payload is an object/);
});

test('a lone surrogate is refused with its place, in keys, values and payloads', async (t) => {
  const [db, sender] = [await open(t), await transport(t)];
  const change = (metadata) => ({
    id: 1, operation: 'insert', shardId: 's', vectorId: 'v', vector: [1], metadata, timestamp: 1, sourceNode: 'n',
    versionVector: new Map([['n', 1]]),
  });
  for (const [bad, place] of [
    [{ a: [1, 'half \ud800'] }, /\.a\[1\] is .*surrogate/],
    [{ a: { '\udc00 half': 1 } }, /\.a\.. half is .*surrogate/],
    [{ deep: { er: ['\ud83d'] } }, /\.deep\.er\[0\] is .*surrogate/],
  ]) {
    await fails('ERR_ARGUMENT', () => db.insert([1], bad), place);
    await fails('ERR_ARGUMENT', () => db.insertBatch([{ vector: [1], metadata: bad }]), place);
    await fails('ERR_ARGUMENT', () => sender.send(NOWHERE, message(bad)), place);
    await fails('ERR_ARGUMENT', () => sender.send(NOWHERE, message(null, bad)), place);
    await fails('ERR_ARGUMENT', () => DeltaEncoder.encode('s', [change(bad)]), place);
    await fails('ERR_ARGUMENT', () =>
      resolveConflicts([{ type: 'insert', vectorId: 'v', vector: [1], timestamp: 1, metadata: bad }], []), place);
  }
  // What only looks like one stays as it is.
  const fine = { pair: '\ud83d\ude00', text: '\\ud800', '\\udfff': ['\\\\ud800'] };
  await db.insert([1], fine, { id: 'fine' });
  assert.deepEqual((await db.get('fine')).metadata, fine);
  assert.deepEqual(DeltaEncoder.encode('s', [change(fine)]).changes[0].metadata, fine);
});

test('whatever throws when it is read becomes an error with a code, and its cause', async (t) => {
  const [db, sender] = [await open(t, { shardId: 's' }), await transport(t)];
  const sync = new VectorQuicSync(db, 'n');
  t.after(() => sync.close());
  await db.insert([1, 2], undefined, { id: 'a' });
  const throwing = [
    () => db.insert([1, 2], withGetter('x')),
    () => db.insert([1, 2], { deep: [withGetter('x')] }),
    () => db.insert([1, 2], undefined, withGetter('id')),
    () => db.insert(Object.defineProperty([1, 2], 1, { get: thrower })),
    () => db.insert(new Proxy([1, 2], { get: thrower })),
    () => db.insertBatch([{ vector: [1, 2] }, withGetter('vector')]),
    () => db.update('a', undefined, new Proxy({}, { ownKeys: thrower })),
    () => db.upsert('a', [1, 2], { toJSON: thrower }),
    () => db.search([1, 2], 1, withGetter('metric')),
    () => db.search([1, 2], 1, { signal: withGetter('aborted') }),
    () => db.query('SELECT ?', Object.defineProperty([1], 0, { get: thrower })),
    () => db.iterate(withGetter('after')),
    () => VectrDB.open(withGetter('path')),
    () => new VectorQuicSync(db, 'n', withGetter('logger')),
    () => new VectorQuicSync(db, 'n', { logger: withGetter('warn') }),
    () => sync.initialize({ tls: withGetter('certPath') }),
    () => sync.initialize({ tls: { rights: withGetter('peer') } }),
    () => sync.resolveConflict('id', withGetter('shardId')),
    () => sender.send(NOWHERE, withGetter('payload')),
    () => sender.send(NOWHERE, message({ in: [withGetter('x')] })),
    () => sender.send(NOWHERE, message(new Proxy({}, { getPrototypeOf: thrower }))),
    () => sender.sendBatch(NOWHERE, Object.defineProperty([message(1)], 0, { get: thrower })),
    () => computeDelta(db, 0, withGetter('shardId')),
    () => applyDelta(db, withGetter('serialize')),
    () => applyDelta(db, { serialize: thrower }),
    () => DeltaEncoder.encode('s', [withGetter('id')]),
    () => new ConflictResolver().resolve(withGetter('shardId'), withGetter('shardId')),
    () => encodeColumns(withGetter('shardId')),
    () => resolveConflicts([withGetter('type')], []),
    () => VersionVector.merge(new Map([['a', 1]]), Object.assign(new Map(), { entries: thrower, keys: thrower })),
  ];
  for (const call of throwing) {
    const error = await fails('ERR_ARGUMENT', call);
    assert.equal(error.cause, CAUSE, call.toString());
  }
  const calls = [
    (bad) => db.insert(bad),
    (bad) => db.insert([1, 2], bad),
    (bad) => db.insert([1, 2], { bad }),
    (bad) => db.insert([1, 2], undefined, bad),
    (bad) => db.get(bad),
    (bad) => db.get('a', { shardId: bad }),
    (bad) => db.insertBatch(bad),
    (bad) => db.insertBatch([bad]),
    (bad) => db.query('SELECT ?', bad),
    (bad) => db.query('SELECT ?', [bad]),
    (bad) => new VectorQuicSync(bad, 'n'),
    (bad) => new VectorQuicSync(db, bad),
    (bad) => new VectorQuicSync(db, 'n', { logger: bad }),
    (bad) => sender.send(NOWHERE, message({ bad })),
    (bad) => sender.send(NOWHERE, bad),
    (bad) => sender.send(NOWHERE, message(1), { signal: bad }),
    (bad) => computeDelta(bad, 0),
    (bad) => applyDelta(db, bad),
    (bad) => DeltaEncoder.decode(bad),
    (bad) => DeltaEncoder.encode('s', [bad]),
    (bad) => new ConflictResolver(bad),
  ];
  for (const call of calls) {
    for (const bad of [revoked(), revoked([]), revoked(new Map())]) await fails('ERR_ARGUMENT', () => call(bad));
  }
  assert.equal(await db.count(), 1);
});

test('an error that says one of our codes is still the program\'s own', async (t) => {
  const db = await open(t);
  const own = Object.assign(new Error('fake'), { code: 'ERR_CLOSED' });
  const options = { get id() { throw own; } };
  const error = await fails('ERR_ARGUMENT', () => db.insert([1], undefined, options), /options cannot be used: fake/);
  assert.equal(error.cause, own);
  // What the work of a transaction throws is passed on as it is.
  await assert.rejects(db.transaction(async () => { throw own; }), (thrown) => thrown === own);
  await assert.rejects(db.transaction(() => { throw 7; }), (thrown) => thrown === 7);
});

test('parameters with holes, doubled columns and SQL behind a NUL are refused', async (t) => {
  const db = await open(t);
  await fails('ERR_ARGUMENT', () => db.query('SELECT ?,?', [1, ,]), /params\[1\] is undefined/);
  await fails('ERR_ARGUMENT', () => db.query('SELECT ?,?', [, 1]), /params\[0\] is undefined/);
  await fails('ERR_ARGUMENT', () => db.query('SELECT 1 AS a, 2 AS b, 3 AS a'), /columns called 'a'.*AS/);
  await fails('ERR_ARGUMENT', () => db.query('SELECT 1 AS a, 2 AS a WHERE 0'), /columns called 'a'/);
  await fails('ERR_ARGUMENT', () => db.query('SELECT 1 AS x\0 garbage'), /NUL at 13/);
  assert.deepEqual(await db.query('SELECT ? AS a, length(?) AS b', ['x\0y', 'x\0y']), [{ a: 'x\0y', b: 1 }]);
});
