// How calls end: aborts, progress, closed handles, and an event loop that never waits.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';
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
  assert.deepEqual(
    seen.map(({ bytes }) => bytes),
    seen.map(({ bytes }) => bytes).sort((x, y) => x - y),
  );
  assert.ok(seen.at(-1).bytes > 0);
  await new Promise((resolve) => setImmediate(resolve));
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
    const db = await VectrDB.open({ path }).catch((error) => error);
    if (db instanceof VectrDB) return db.close();
    assert.equal(db.code, 'ERR_BUSY');
    assert.ok(attempt < 500, 'a forgotten database was never closed');
  }
});
