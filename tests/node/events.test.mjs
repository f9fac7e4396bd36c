// What engines tell of, by listeners and by iterators.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { fails, file, node, open, phraseItems, synced, until } from './support.mjs';

function heard(sync, name) {
  const all = [];
  sync.on(name, (event) => all.push(event));
  return all;
}

const sum = (events, key) => events.reduce((total, event) => total + event[key], 0);

test('changes are told with the ids that they have here', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  await a.db.insertBatch(phraseItems(300));
  await b.db.insert([...phraseItems(1)[0].vector], undefined, { id: 'own' });
  const before = (await b.sync.getShardState('shared')).currentChangeId;
  const changes = heard(b.sync, 'change');
  await synced(a, b);
  await until(() => sum(changes, 'changes') === 300, 'all changes');
  const { currentChangeId } = await b.sync.getShardState('shared');
  assert.deepEqual([changes[0].afterChangeId, changes.at(-1).toChangeId], [before, currentChangeId]);
  for (const { type, shardId, peerAddress } of changes) {
    assert.deepEqual([type, shardId], ['change', 'shared']);
    assert.match(peerAddress, /^127\.0\.0\.1:\d+$/);
  }
});

test('conflicts are told with their outcome', async (t) => {
  for (const [conflictStrategy, outcome] of [
    ['merge', 'resolved'],
    ['manual', 'unresolved'],
  ]) {
    const config = { conflictStrategy };
    const [a, b] = [await node(t, 'a', { config }), await node(t, 'b', { config })];
    await a.db.insert([1], undefined, { id: 'v' });
    await b.db.insert([2], undefined, { id: 'v' });
    const conflicts = heard(a.sync, 'conflict');
    await synced(a, b);
    await until(() => conflicts.length > 0, 'the event');
    assert.deepEqual(conflicts, [
      {
        type: 'conflict',
        shardId: 'shared',
        peerAddress: b.address,
        detected: 1,
        outcome,
        strategy: conflictStrategy,
        vectorIds: ['v'],
      },
    ]);
  }
});

test('progress and failures are told', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { maxRetries: 0 } }), await node(t, 'b')];
  await a.db.insertBatch(phraseItems(500));
  const [progress, failures] = [heard(a.sync, 'progress'), heard(a.sync, 'syncError')];
  await synced(a, b);
  await until(() => progress.at(-1)?.sent === 500, 'the last progress');
  assert.ok(progress.at(-1).bytes > 0);
  assert.equal(progress.at(-1).total, 500);
  assert.deepEqual(failures, []);
  const result = await a.sync.sync('shared', 'no address');
  await until(() => failures.length > 0, 'the failure');
  const [{ shardId, peerAddress, error, errorCode }] = failures;
  assert.deepEqual([shardId, peerAddress, error, errorCode], ['shared', 'no address', result.error, 'ERR_ARGUMENT']);
});

test('a repair is told to listeners, and its rows are a change to readers', async (t) => {
  const rotten = Float32Array.of(3.25, -17.5, 0.125);
  const [former, b] = [await node(t, 'a'), await node(t, 'b')];
  await former.db.insertBatch([{ id: 'sound', vector: [1, 2, 3] }, { id: 'rotten', vector: rotten }]);
  await synced(former, b);
  await former.sync.close();
  await former.db.close();
  const bytes = readFileSync(former.path);
  bytes[bytes.indexOf(Buffer.from(rotten.buffer))] ^= 1;
  writeFileSync(former.path, bytes);
  const a = await node(t, 'a', { path: former.path });
  await assert.rejects(a.db.get('rotten'), { code: 'ERR_STORAGE' });
  const repairs = heard(a.sync, 'repair');
  const reader = a.sync.events();
  // What `get` came upon is noted in the background: the first sync may be earlier.
  await until(async () => (await synced(a, b)).vectorsRepaired === 1, 'the repair');
  await until(() => repairs.length > 0, 'the event');
  const of = { shardId: 'shared', peerAddress: b.address };
  assert.deepEqual(repairs, [{ type: 'repair', ...of, repaired: 1, damaged: 0, differs: false }]);
  await a.sync.close();
  const read = [];
  for await (const { type } of reader) read.push(type);
  assert.deepEqual(read.filter((type) => type !== 'progress'), ['change']);
});

test('a listener that throws is told of, and harms nobody', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')];
  b.sync.on('change', () => {
    throw thrown;
  });
  const changes = heard(b.sync, 'change');
  b.sync.on('change', async () => {
    throw rejected;
  });
  const failures = heard(b.sync, 'syncError');
  await a.db.insert([1], undefined, { id: 'v' });
  await synced(a, b);
  await until(() => failures.length === 2, 'both failures');
  assert.equal(changes.length, 1);
  assert.deepEqual(
    failures.map(({ cause, errorCode, shardId }) => [cause, errorCode, shardId]),
    [thrown, rejected].map((cause) => [cause, 'ERR_LISTENER', 'shared']),
  );
  assert.match(failures[0].error, /'change' listener threw: thrown/);
});

test('a listener of failures that throws itself is not asked again', async (t) => {
  const told = [];
  const logger = { error: (message, details) => told.push([message, details.errorCode]) };
  const a = await node(t, 'a', { config: { logger, maxRetries: 0 } });
  let calls = 0;
  a.sync.on('syncError', () => {
    calls++;
    throw new Error('again');
  });
  await a.sync.sync('shared', 'no address');
  await until(() => told.length > 0, 'the message');
  assert.deepEqual([calls, told], [1, [["a 'syncError' listener threw: again", 'ERR_LISTENER']]]);
});

test('listeners come once, and go', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  const calls = [];
  const always = () => calls.push('always');
  const gone = () => calls.push('gone');
  b.sync
    .on('change', always)
    .once('change', () => calls.push('once'))
    .on('change', gone)
    .once('change', gone)
    .off('change', gone)
    .off('change', gone)
    .off('change', () => {});
  for (const [round, expected] of [['always', 'once'], ['always', 'once', 'always']].entries()) {
    await a.db.insert([1], undefined, { id: `v${round}` });
    await synced(a, b);
    await until(() => calls.length >= expected.length, 'the event');
    assert.deepEqual(calls, expected);
  }
  b.sync.off('change', always);
  // A second listener hears when the first would have.
  const changes = heard(b.sync, 'change');
  await a.db.insert([1], undefined, { id: 'v3' });
  await synced(a, b);
  await until(() => changes.length > 0, 'the event');
  assert.equal(calls.length, 3);
});

// Added with once and then with on, a listener was called for one event and never again: the later one was removed.
test('a listener added with once and then with on keeps the second', async (t) => {
  const { sync } = await node(t, 'a', { config: { maxRetries: 0 } });
  const calls = [];
  const listener = ({ peerAddress }) => calls.push(peerAddress);
  sync.once('syncError', listener).on('syncError', listener);
  const seen = heard(sync, 'syncError');
  for (const [round, expected] of [['first', 'first'], ['first', 'first', 'second']].entries()) {
    await sync.sync('shared', expected.at(-1));
    await until(() => seen.length === round + 1, 'the event');
    assert.deepEqual(calls, expected);
  }
  sync.off('syncError', listener);
  await sync.sync('shared', 'third');
  await until(() => seen.length === 3, 'the event');
  assert.equal(calls.length, 3);
});

test('an iterator reads all events, whoever reads beside it, and ends with the engine', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  const readers = Array.from({ length: 50 }, async (_, index) => {
    let total = 0;
    for await (const event of b.sync.events()) {
      if (event.type === 'change') total += event.changes;
      if (total === 20 && index % 2 === 0) break;
    }
    return total;
  });
  for (let round = 0; round < 20; round++) {
    await a.db.insert([1], undefined, { id: `v${round}` });
    await synced(a, b);
  }
  await b.sync.close();
  assert.deepEqual(await Promise.all(readers), Array(50).fill(20));
});

test('what a slow reader has not taken is put together', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  const before = (await b.sync.getShardState('shared')).currentChangeId;
  const slow = b.sync.events();
  const changes = heard(b.sync, 'change');
  for (let round = 0; round < 10; round++) {
    await a.db.insert([round], undefined, { id: `v${round}` });
    await synced(a, b);
    await until(() => sum(changes, 'changes') === round + 1, 'the event');
  }
  await b.sync.close();
  const read = [];
  for await (const event of slow) if (event.type === 'change') read.push(event);
  const { afterChangeId, toChangeId } = read[0];
  assert.deepEqual([sum(read, 'changes'), afterChangeId], [10, before]);
  // One for each address that the peer's connection had.
  assert.ok(read.length <= new Set(changes.map(({ peerAddress }) => peerAddress)).size);
  if (read.length === 1) assert.equal(toChangeId, changes.at(-1).toChangeId);
});

test('an iterator ends with ERR_ABORTED through its signal', async (t) => {
  const { sync } = await node(t, 'a');
  const [controller, reason] = [new AbortController(), new Error('enough')];
  const { signal } = controller;
  const readers = Array.from({ length: 20 }, () =>
    fails('ERR_ABORTED', async () => {
      for await (const event of sync.events({ signal })) assert.fail(event.type);
    }),
  );
  const idle = sync.events({ signal });
  controller.abort(reason);
  for (const error of await Promise.all(readers)) assert.equal(error.cause, reason);
  await fails('ERR_ABORTED', () => idle.next());
  assert.deepEqual(await idle.next(), { done: true, value: undefined });
  const late = sync.events({ signal });
  await fails('ERR_ABORTED', () => late.next());
  assert.equal((await late.next()).done, true);
});

test('an iterator that is broken off gives back what it holds', async (t) => {
  const { sync } = await node(t, 'a');
  const events = sync.events();
  const waiting = [events.next(), events.next()];
  assert.equal((await events.return()).done, true);
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ done }) => done),
    [true, true],
  );
  assert.equal((await events.next()).done, true);
});

test('an unknown event, or a listener that is none, is an error', async (t) => {
  const db = await open(t, { path: file() });
  const sync = new VectorQuicSync(db, 'a');
  t.after(() => sync.close());
  for (const method of ['on', 'once', 'off']) {
    const unknown = await fails('ERR_ARGUMENT', () => sync[method]('changed', () => {}), /did you mean 'change'/);
    assert.ok(unknown instanceof TypeError);
    await fails('ERR_ARGUMENT', () => sync[method]('error', () => {}), /syncError/);
    for (const bad of [undefined, null, 5]) await fails('ERR_ARGUMENT', () => sync[method](bad, () => {}));
    for (const bad of [undefined, null, {}]) await fails('ERR_ARGUMENT', () => sync[method]('change', bad));
  }
  for (const bad of [null, 5, { signals: undefined }, { signal: 5 }]) {
    await fails('ERR_ARGUMENT', () => sync.events(bad));
  }
});

test('an engine that only has listeners is freed when nobody holds it any more', async (t) => {
  const db = await open(t, { path: file() });
  const registry = [];
  await (async () => {
    const sync = new VectorQuicSync(db, 'a', { logger: { info() {} } });
    await sync.initialize();
    sync.on('change', () => sync.getStats());
    registry.push(new WeakRef(sync));
  })();
  for (let attempt = 0; registry[0].deref() !== undefined; attempt++) {
    // Whoever asks a WeakRef keeps its object for the rest of the turn.
    await new Promise((resolve) => setTimeout(resolve));
    globalThis.gc();
    assert.ok(attempt < 500, 'a forgotten engine lives on');
  }
});
