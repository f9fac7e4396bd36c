// Whatever the user's functions throw, the process goes on, and who can do something about it is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { QuicTransport } from '@agentic-flow/sqlite-vector/transport';
import { node, open, phrase, until } from './support.mjs';

const error = (change) => Object.assign(new Error('replaced below'), change);
const withGetter = (name) => Object.defineProperty(new Error('hidden'), name, { get: thrower({ toString: 1 }) });
const thrower = (value) => () => {
  throw value;
};
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable(new Error('gone'), {});
  revoke();
  return proxy;
};

/** Each with the words by which its message is known. */
const THROWN = {
  nothing: [undefined, 'undefined'],
  null: [null, 'null'],
  text: ['just text', 'just text'],
  'an empty text': ['', 'empty'],
  'half of a character': ['\ud800', '\ufffd'],
  'a number': [7, '7'],
  'a symbol': [Symbol('s'), 'a symbol'],
  'a function': [() => {}, 'a function'],
  'an object that has no text': [{ toString: 1, [Symbol.toPrimitive]: 1 }, 'an object'],
  'an object without a prototype': [Object.create(null), 'an object'],
  'an error whose message is a number': [error({ message: 5 }), '5'],
  'an error whose message is an object': [error({ message: { toString: 1 } }), 'an object'],
  'an error whose message throws': [withGetter('message'), 'undefined'],
  'an error whose stack is a number': [error({ message: 'no stack', stack: 5 }), 'no stack'],
  'an error whose stack throws': [withGetter('stack'), 'hidden'],
  'an error whose code throws': [withGetter('code'), 'hidden'],
  'an error that contains itself': [error({ message: 'circular', get self() { return this; }, n: 1n }), 'circular'],
  'a proxy that was revoked': [revoked(), 'unreadable'],
  'a class that throws its name': [{ get [Symbol.toStringTag]() { throw 1; } }, 'unreadable'],
};

/** The same value thrown, rejected, and by a promise of the user's own that throws. */
const WAYS = {
  thrown: (value) => thrower(value),
  rejected: (value) => async () => {
    throw value;
  },
  'from a thenable': (value) => () => ({ then: thrower(value) }),
  'from a getter of then': (value) => () => ({ get then() { throw value; } }),
};

function warnings(t) {
  const heard = [];
  const listener = (warning) => heard.push(warning);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  return heard;
}

test('whatever a message handler throws answers the request as a failure', async (t) => {
  const [server, client] = [await QuicTransport.create(), await QuicTransport.create()];
  t.after(() => Promise.all([server.close(), client.close()]));
  const address = await server.listen(0);
  const heard = warnings(t);
  for (const [what, [value, words]] of Object.entries(THROWN)) {
    for (const [how, make] of Object.entries(WAYS)) {
      const stop = server.onMessage(make(value));
      const request = client.request(address, { id: 'a request', type: 'task', payload: 1 }, { timeoutMs: 20_000 });
      await assert.rejects(request, (failure) => {
        assert.equal(failure.code, 'ERR_HANDLER', `${what}, ${how}: ${failure}`);
        assert.ok(failure.message.includes(words), `${what}, ${how}: ${failure.message}`);
        return true;
      });
      const before = heard.length;
      await client.send(address, { id: 'no request', type: 'task', payload: 1 });
      await until(() => heard.length > before);
      assert.deepEqual([heard.at(-1).name, typeof heard.at(-1).detail], ['VectrHandlerWarning', 'string'], what);
      stop();
    }
  }
});

test('an answer whose parts throw is a failure of the handler', async (t) => {
  const [server, client] = [await QuicTransport.create(), await QuicTransport.create()];
  t.after(() => Promise.all([server.close(), client.close()]));
  const address = await server.listen(0);
  const answers = {
    id: () => ({ get id() { throw { toString: 1 }; } }),
    type: () => ({ id: 'a request', get type() { throw { toString: 1 }; }, payload: 1 }),
    payload: () => ({ id: 'a request', type: 'result', payload: { get deep() { throw undefined; } } }),
    revoked: () => revoked(),
  };
  for (const [what, handler] of Object.entries(answers)) {
    const stop = server.onMessage(handler);
    const request = client.request(address, { id: 'a request', type: 'task', payload: 1 }, { timeoutMs: 20_000 });
    await assert.rejects(request, (failure) => failure.code === 'ERR_HANDLER', what);
    stop();
  }
});

test('whatever a listener, a logger, a callback or onProgress throws, the sync succeeds and it is told', async (t) => {
  const heard = warnings(t);
  for (const [what, [value]] of Object.entries(THROWN)) {
    const bad = thrower(value);
    const later = async () => bad();
    const logger = { error: bad, warn: later, info: bad, debug: later };
    const a = await node(t, 'a');
    const b = await node(t, 'b', { config: { conflictStrategy: 'manual', onConflict: later, logger } });
    const told = [];
    b.sync.on('change', bad);
    b.sync.on('peer', later);
    b.sync.on('syncError', (event) => told.push(event.errorCode));
    b.sync.on('syncError', bad);
    await a.db.upsert('v', phrase(0));
    await b.db.upsert('v', phrase(1));
    const before = heard.length;
    const result = await b.sync.sync('shared', a.address, false, { onProgress: bad });
    assert.ok(result.success, `${what}: ${result.error}`);
    await until(() => ['ERR_LISTENER', 'ERR_CONFLICT_CALLBACK'].every((code) => told.includes(code)));
    assert.ok(heard.slice(before).some(({ message }) => message.includes('onProgress')), what);
    assert.ok(heard.slice(before).some(({ message }) => message.includes('logger')), what);
    assert.ok(heard.every(({ detail }) => typeof detail === 'string'), what);
    await Promise.all([a, b].map(({ sync, db }) => sync.close().then(() => db.close())));
  }
});

test('a transaction rejects with the very value that its work threw, and the next one goes on', async (t) => {
  const { db } = await node(t, 'a');
  for (const [what, [value]] of Object.entries(THROWN)) {
    let outcome = 'settled';
    await db.transaction(thrower(value)).then(
      () => (outcome = 'resolved'),
      (thrown) => (outcome = { thrown }),
    );
    assert.ok(Object.is(outcome.thrown, value) && outcome !== 'resolved', what);
    await db.upsert('next', phrase(2));
  }
});

// Whatever looked like an error of the package was passed on, and whatever else was blamed on an argument.
test('an error of the program is told from one of the package, and from a lack of memory or stack', async (t) => {
  const db = await open(t);
  const vector = (thrown) => new Proxy([1, 2], { get: (target, key) => (key === '0' ? thrown() : target[key]) });
  const endless = () => endless() + 1;
  const lookalike = Object.assign(new TypeError('mine'), { code: 'ERR_ARGUMENT' });
  for (const own of [lookalike, new RangeError('mine'), Object.assign(new Error('mine'), { code: 'ERR_CLOSED' })]) {
    await assert.rejects(db.insert(vector(thrower(own))), (error) => {
      assert.deepEqual([error.code, error.cause], ['ERR_ARGUMENT', own]);
      assert.match(error.message, /an argument cannot be used: mine/);
      return error !== own;
    });
  }
  // As the addon words its errors.
  const worded = new Error('ERR_CLOSED: mine');
  const item = { vector: vector(thrower(worded)) };
  for (const write of [() => db.insertBatch([item]), () => db.transaction((tx) => tx.insertBatch([item]))]) {
    await assert.rejects(write, ({ code, cause }) => code === 'ERR_ARGUMENT' && cause === worded);
  }
  await assert.rejects(db.insert(vector(endless)), ({ code, message, cause }) => {
    assert.deepEqual([code, cause.name], ['ERR_LIMIT', 'RangeError']);
    return /out of memory or stack: Maximum call stack/.test(message);
  });
});

test('VECTR_LOG writes what was thrown, also where it is no JSON', async (t) => {
  const written = t.mock.method(process.stderr, 'write', () => true);
  process.env.VECTR_LOG = 'debug';
  t.after(() => delete process.env.VECTR_LOG);
  const engine = new VectorQuicSync(await open(t), 'logged', { maxRetries: 0 });
  t.after(() => engine.close());
  for (const value of [error({ message: 'circular', get self() { return this; }, n: 1n }), { toJSON: thrower(1) }]) {
    engine.on('syncError', thrower(value));
  }
  await engine.initialize({ connectTimeoutMs: 20 });
  const result = await engine.sync('shared', '127.0.0.1:1', false).catch((thrown) => thrown);
  assert.notEqual(result.success, true);
  const lines = written.mock.calls.map(({ arguments: [line] }) => String(line)).filter((line) => line.includes(' vectr '));
  assert.ok(lines.some((line) => line.includes('ERR_LISTENER')), lines.join(''));
});
