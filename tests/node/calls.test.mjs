// How calls end: aborts, progress, closed handles, and an event loop that never waits.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import {
  ChangelogReader,
  ShardCoordinator,
  VectorQuicSync,
  VectrDB,
  applyDelta,
  computeDelta,
} from '@agentic-flow/sqlite-vector';
import { QuicTransport } from '@agentic-flow/sqlite-vector/transport';
import { engine, fails, file, node, open, phrase, phraseItems, synced, until } from './support.mjs';

/** Counts the turns of the event loop while `work` runs. */
async function turnsDuring(work) {
  let turns = 0;
  let running = true;
  const turn = () => {
    turns++;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  running = false;
  return turns;
}

test('a search ends early through its signal', async (t) => {
  const db = await open(t, { path: file() });
  await db.insertBatch(phraseItems(3000));
  const reason = new Error('mine');
  const aborted = await fails('ERR_ABORTED', () => db.search(phrase(0), 5, { signal: AbortSignal.abort(reason) }));
  assert.equal(aborted.cause, reason);

  const controller = new AbortController();
  // More searches than run at once: some are under way and some wait when the signal comes.
  const searches = Array.from({ length: 200 }, () => db.search(phrase(0), 5, { signal: controller.signal }));
  const ended = Promise.allSettled(searches);
  controller.abort();
  const outcomes = await ended;
  assert.ok(outcomes.some(({ reason }) => reason?.code === 'ERR_ABORTED'));
  for (const { status, reason } of outcomes) assert.ok(status === 'fulfilled' || reason.code === 'ERR_ABORTED', reason);
  assert.equal((await db.search(phrase(7), 1, { signal: new AbortController().signal }))[0].id, 'p7');
});

test('an aborted sync rejects, and what it applied stays', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { batchSize: 10 } }), await node(t, 'b', { config: { batchSize: 10 } })];
  await b.db.insertBatch(phraseItems(6000));
  await fails('ERR_ABORTED', () => a.sync.sync('shared', b.address, false, { signal: AbortSignal.abort() }));
  const controller = new AbortController();
  let paused;
  // Nothing more is applied while the transaction is open: the sync cannot end before its signal comes.
  const onProgress = () => (paused ??= a.db.beginTransaction().then(() => controller.abort()));
  await fails('ERR_ABORTED', () => a.sync.sync('shared', b.address, false, { signal: controller.signal, onProgress }));
  await a.db.rollback();
  const held = await a.db.count();
  assert.ok(held > 0 && held < 6000, `${held} were held`);
  const rest = await synced(a, b);
  assert.ok(rest.changesApplied <= 6000 - held, 'what was applied is not sent again');
  assert.equal(await a.db.digest(), await b.db.digest());
});

test('an abort ends the waiting between retries', async (t) => {
  const db = await open(t, { path: file() });
  const sync = new VectorQuicSync(db, 'a', { maxRetries: 1000, retryBackoffMs: 3_600_000 });
  t.after(() => sync.close());
  await sync.initialize({ connectTimeoutMs: 20 });
  await fails('ERR_ABORTED', () => sync.sync('s', '127.0.0.1:1', false, { signal: AbortSignal.timeout(200) }));
});

test('a time limit ends a sync and the calls of a coordinator with ERR_TIMEOUT', async (t) => {
  const db = await open(t, { path: file() });
  const sync = new VectorQuicSync(db, 'a', { maxRetries: 1000, retryBackoffMs: 3_600_000 });
  t.after(() => sync.close());
  await sync.initialize({ connectTimeoutMs: 20 });
  const result = await sync.sync('s', '127.0.0.1:1', false, { timeoutMs: 100 });
  assert.deepEqual([result.success, result.errorCode], [false, 'ERR_TIMEOUT']);
  // The signal still ends it earlier, with its own error.
  const signal = AbortSignal.abort('mine');
  const aborted = await fails('ERR_ABORTED', () => sync.sync('s', '127.0.0.1:1', false, { signal, timeoutMs: 60_000 }));
  assert.equal(aborted.cause, 'mine');
  const coordinator = new ShardCoordinator(sync);
  t.after(() => coordinator.close());
  coordinator.scheduleSyncTask('s', '127.0.0.1:1');
  await fails('ERR_TIMEOUT', () => coordinator.executeTasks({ timeoutMs: 100 }), /100 ms/);
  await fails('ERR_ARGUMENT', () => sync.sync('s', '127.0.0.1:1', false, { timeoutMs: 0 }), /timeoutMs/);
  assert.deepEqual(await coordinator.healthCheck({ timeoutMs: 60_000 }), new Map());
});

// All its numbers were 0.
test('a sync whose time is up reports what it did by then', async (t) => {
  const b = await node(t, 'b', { config: { batchSize: 10 } });
  await b.db.insertBatch(phraseItems(6000));
  // A time that is too short for anything says nothing.
  for (let timeoutMs = 250; ; timeoutMs *= 2) {
    const a = await node(t, `a${timeoutMs}`, { config: { batchSize: 10, maxRetries: 0 } });
    const errors = [];
    a.sync.on('syncError', ({ errorCode }) => errors.push(errorCode));
    let paused;
    // Nothing more is applied while the transaction is open.
    const onProgress = () => (paused ??= a.db.beginTransaction());
    const result = await a.sync.sync('shared', b.address, false, { timeoutMs, onProgress });
    await paused;
    if (paused) await a.db.rollback();
    if (result.success || result.changesApplied === 0) continue;
    assert.deepEqual([result.errorCode, result.attempts], ['ERR_TIMEOUT', 1], result.error);
    assert.ok(result.changesReceived >= result.changesApplied && result.bytesReceived > 0);
    const held = await a.db.count();
    assert.ok(result.changesApplied <= held && held < 6000, `${result.changesApplied} of ${held}`);
    await until(() => errors.length > 0, 'the event');
    assert.deepEqual(errors, ['ERR_TIMEOUT']);
    await synced(a, b);
    assert.equal(await a.db.digest(), await b.db.digest());
    return;
  }
});

test('a time limit ends the wait for onConflict, and the conflict stays', async (t) => {
  const never = () => new Promise(() => {});
  const config = { conflictStrategy: 'manual' };
  const b = await node(t, 'b', { config });
  await b.db.upsert('v', [2, 1]);
  for (let timeoutMs = 250; ; timeoutMs *= 2) {
    const a = await node(t, `a${timeoutMs}`, { config: { ...config, onConflict: never } });
    await a.db.upsert('v', [1, 1]);
    const result = await a.sync.sync('shared', b.address, false, { timeoutMs });
    assert.deepEqual([result.success, result.errorCode], [false, 'ERR_TIMEOUT'], result.error);
    if (result.changesApplied === 0) continue;
    assert.deepEqual([result.conflictsDetected, result.conflictsResolved, result.conflictsUnresolved.length], [1, 0, 1]);
    return;
  }
});

test('progress is told until the sync has settled, and not after', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { batchSize: 100 } }), await node(t, 'b')];
  await a.db.insertBatch(phraseItems(2000));
  const seen = [];
  let settled = false;
  const onProgress = (progress) => {
    assert.equal(settled, false);
    seen.push(progress);
  };
  const result = await a.sync.sync('shared', b.address, false, { onProgress });
  settled = true;
  assert.ok(result.success, result.error);
  // Reports that wait for the event loop become one: how many there are depends on the machine.
  assert.ok(seen.length > 0);
  for (const { shardId, peerAddress } of seen) assert.deepEqual([shardId, peerAddress], ['shared', b.address]);
  assert.deepEqual(
    seen.map(({ sent }) => sent),
    seen.map(({ sent }) => sent).sort((x, y) => x - y),
    'it only grows',
  );
  assert.equal(seen.at(-1).sent, 2000);
  // It used to be missing always.
  for (const { sent, total } of seen) assert.ok(total === undefined || (total >= sent && total <= 2000), `${sent} of ${total}`);
  assert.equal(seen.at(-1).total, 2000);
  assert.deepEqual(
    seen.map(({ bytes }) => bytes),
    seen.map(({ bytes }) => bytes).sort((x, y) => x - y),
  );
  assert.ok(seen.at(-1).bytes > 0);
  await new Promise((resolve) => setImmediate(resolve));
});

test('the total of a progress leaves out what the peer has already', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { batchSize: 100 } }), await node(t, 'b')];
  await a.db.insertBatch(phraseItems(1000));
  const totals = [];
  const onProgress = ({ sent, total }) => totals.push([sent, total]);
  assert.ok((await a.sync.sync('shared', b.address, false, { onProgress })).success);
  for (let index = 0; index < 150; index++) await a.db.update(`p${index}`, phrase(index + 1));
  totals.length = 0;
  // From the beginning: the peer holds 850 of them.
  assert.ok((await a.sync.sync('shared', b.address, true, { onProgress })).success);
  assert.deepEqual(totals.at(-1), [150, 150]);
});

test('a progress listener that throws is a warning, not a crash', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  await a.db.insertBatch(phraseItems(100));
  const listeners = [
    () => {
      throw new Error('thrown by the listener');
    },
    async () => {
      throw new Error('rejected by the listener');
    },
  ];
  for (const onProgress of listeners) {
    await a.db.upsert('again', phrase(0));
    const warned = once(process, 'warning');
    const result = await a.sync.sync('shared', b.address, false, { onProgress });
    assert.ok(result.success, result.error);
    const [warning] = await warned;
    assert.deepEqual([warning.name, warning.code], ['VectrListenerWarning', 'ERR_LISTENER']);
    assert.match(warning.detail, /by the listener/);
  }
});

test('the event loop turns while the database works', async (t) => {
  const db = await open(t, { path: file() });
  await db.insertBatch(phraseItems(3000));
  const searching = await turnsDuring(() => Promise.all(Array.from({ length: 64 }, () => db.search(phrase(1), 10))));
  assert.ok(searching > 10, `${searching} turns while searching`);
  const writing = await turnsDuring(() => db.insertBatch(phraseItems(3000, 3000)));
  assert.ok(writing > 10, `${writing} turns while writing`);
});

test('the event loop turns while a large sync runs on both sides', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  await a.db.insertBatch(phraseItems(6000));
  const turns = await turnsDuring(() => synced(a, b));
  assert.ok(turns > 50, `${turns} turns`);
});

test('every method of a closed database is ERR_CLOSED', async (t) => {
  const db = await open(t, { path: file() });
  await db.insert([1], undefined, { id: 'a' });
  const walk = db.iterate()[Symbol.asyncIterator]();
  const abandoned = db.iterate();
  await walk.next();
  const closing = db.close();
  assert.equal(await closing, undefined);
  await db.close();
  const calls = [
    () => db.insert([1]),
    () => db.upsert('a', [1]),
    () => db.insertBatch([{ vector: [1] }]),
    () => db.insertBatch([]),
    () => db.update('a', [1]),
    () => db.delete('a'),
    () => db.get('a'),
    () => db.search([1]),
    () => db.iterate(),
    () => db.changes(),
    () => abandoned[Symbol.asyncIterator]().next(),
    () => db.count(),
    () => db.shards(),
    () => db.query('SELECT 1'),
    () => db.transaction(async () => {}),
    () => db.beginTransaction(),
    () => db.commit(),
    () => db.rollback(),
    () => db.backup('x.db'),
    () => db.digest(),
  ];
  for (const call of calls) await fails('ERR_CLOSED', call);
  assert.equal(db.shardId, 'shard');
});

test('a close lets no call hang: each ends with its result, or with ERR_CLOSED', async (t) => {
  const never = () => new Promise(() => {});
  const ways = {
    'no transaction': async () => [],
    beginTransaction: async (db) => [await db.beginTransaction()],
    'a transaction that never settles': (db) =>
      new Promise((resolve) => {
        const running = db.transaction(async (tx) => {
          await tx.insert([1, 1]);
          resolve([running]);
          await never();
        });
        running.catch(() => {});
      }),
  };
  // What else a call may end with, closed or not.
  const others = { update: 'ERR_NOT_FOUND', beginTransaction: { transaction: 'ERR_TRANSACTION' } };
  const items = () => Array.from({ length: 6000 }, (_, n) => ({ vector: [n, 1] }));
  for (const [way, begin] of Object.entries(ways)) {
    const db = await VectrDB.open({ path: file(), shardId: 's', busyTimeoutMs: 600_000 });
    t.after(() => db.close());
    await db.insertBatch(items());
    const delta = await computeDelta(db, 0, { maxVectors: 10 });
    const reader = new ChangelogReader(db);
    const opened = await begin(db);
    const calls = {
      insert: () => db.insert([1, 1]),
      upsert: () => db.upsert('v', [1, 1]),
      insertBatch: () => db.insertBatch(items()),
      update: () => db.update('v', [1, 2]),
      delete: () => db.delete('v'),
      get: () => db.get('v'),
      search: () => db.search([1, 1], 6000),
      iterate: async () => {
        for await (const _ of db.iterate());
      },
      changes: () => db.changes().next(),
      count: () => db.count(),
      shards: () => db.shards(),
      query: () => db.query('SELECT * FROM vectors'),
      'endless query': () => db.query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'),
      digest: () => db.digest(),
      backup: () => db.backup(file('backup.db')),
      transaction: () => db.transaction((tx) => tx.insert([1, 1])),
      readChanges: () => reader.readChanges('s', 0),
      getVersionVector: () => reader.getVersionVector('s'),
      computeDelta: () => computeDelta(db, 0),
      applyDelta: () => applyDelta(db, delta),
    };
    // More than run at once: some run and some wait.
    const running = Object.entries(calls).flatMap(([name, call]) =>
      Array.from({ length: 6 }, () => call().then(() => [name], ({ code, stack }) => [name, code, stack])),
    );
    await db.close();
    for (const [name, code = 'ERR_CLOSED', stack] of await Promise.all(running)) {
      assert.ok(code === 'ERR_CLOSED' || code === (others[way]?.[name] ?? others[name]), `${way}, ${name}: ${stack}`);
    }
    for (const call of opened.filter(Boolean)) await fails('ERR_CLOSED', () => call);
    await fails('ERR_CLOSED', () => db.count());
  }
});

test('a walk over more than a page is ERR_CLOSED after the close', async (t) => {
  const db = await open(t, { path: file() });
  await db.insertBatch(phraseItems(100));
  await fails('ERR_CLOSED', async () => {
    for await (const _ of db.iterate()) await db.close();
  });
});

test('every method of a closed engine is ERR_CLOSED', async (t) => {
  const db = await open(t, { path: file() });
  const sync = await engine(t, db, 'a');
  const { fingerprint } = sync;
  await sync.close();
  await sync.close();
  const calls = [
    () => sync.initialize(),
    () => sync.listen('127.0.0.1:0'),
    () => sync.sync('s', '127.0.0.1:1'),
    () => sync.getShardState('s'),
    () => sync.getSession(),
    () => sync.getUnresolvedConflicts(),
    () => sync.resolveConflict('id', { shardId: 's', vectorId: 'v' }),
    () => sync.startAutoSync('s', '127.0.0.1:1'),
    () => sync.stopAutoSync('s'),
    () => sync.stopAllAutoSyncs(),
    () => sync.on('change', () => {}),
    () => sync.once('change', () => {}),
    () => sync.events(),
    () => sync.getStats(),
    () => sync.pinPeer(fingerprint),
    () => sync.unpinPeer(fingerprint),
  ];
  for (const call of calls) await fails('ERR_CLOSED', call);
  assert.equal(sync.fingerprint, fingerprint);
  assert.equal(
    sync.off('change', () => {}),
    sync,
  );
  assert.equal(await db.count(), 0, 'the database stays open');
  await new VectorQuicSync(db, 'a').close();
});

test('closing ends a running sync with ERR_CLOSED, and frees the port', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  await b.db.insertBatch(phraseItems(100));
  // The sync cannot end while the transaction is open.
  await a.db.beginTransaction();
  const running = fails('ERR_CLOSED', () => a.sync.sync('shared', b.address));
  await until(async () => (await a.sync.getStats()).active === 1, 'the sync');
  await a.sync.close();
  await running;
  await a.db.rollback();
  await b.sync.close();
  const again = await engine(t, b.db, 'b');
  assert.equal(await again.listen(b.address), b.address);
});

test('a sync on a closed database resolves without success', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { maxRetries: 0 } }), await node(t, 'b')];
  await a.db.close();
  const result = await a.sync.sync('shared', b.address);
  assert.deepEqual([result.success, result.errorCode], [false, 'ERR_CLOSED'], result.error);
});

test('both handles close by await using', async (t) => {
  const symbol = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
  const db = await VectrDB.open({ path: file() });
  const sync = await engine(t, db, 'a');
  await sync[symbol]();
  await db[symbol]();
  await fails('ERR_CLOSED', () => sync.getStats());
  await fails('ERR_CLOSED', () => db.count());
});

test('handles that nobody holds any more are freed, and a sync holds its own', async (t) => {
  const path = file();
  const b = await node(t, 'b');
  await (async () => {
    const db = await VectrDB.open({ path, shardId: 'shared' });
    await db.insertBatch(phraseItems(2000));
    const running = new VectorQuicSync(db, 'a').sync('shared', b.address);
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
    assert.ok((await running).success);
  })();
  for (let attempt = 0; ; attempt++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve));
    // The last one that closes the file takes its log away.
    if (!existsSync(`${path}-wal`)) break;
    assert.ok(attempt < 500, 'a forgotten database was never closed');
  }
});

test('transports that nobody holds any more give their sockets back', async (t) => {
  if (!existsSync('/proc/self/fd')) return t.skip('counts descriptors as Linux does');
  const server = await QuicTransport.create();
  t.after(() => server.close());
  server.onMessage((_, { id, payload }) => ({ id, type: 'result', payload }));
  const address = await server.listen(0);
  const sockets = () => readdirSync('/proc/self/fd').length;
  const before = sockets();
  const echoed = async () => {
    const forgotten = await QuicTransport.create();
    forgotten.onMessage(() => {});
    return forgotten.request(address, { id: '1', type: 'task', payload: 1 });
  };
  for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 10 }, echoed));
  await until(() => {
    globalThis.gc();
    return sockets() <= before + 5;
  }, 'the end of their sockets');
});
