// Queries and iterations: their limits, what they leave to other calls, and how large they may make the log.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import { engine, fails, file, open } from './support.mjs';

const ENDLESS =
  'WITH RECURSIVE n(i) AS (SELECT count(*) FROM vectors UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n';
const rows = (count) => Array.from({ length: count }, () => ({ vector: new Float32Array(384).fill(0.5) }));

for (const where of ['in a file', 'in memory']) {
  const options = () => (where === 'in a file' ? { path: file() } : undefined);

  test(`${where}, a query ends with its signal`, async (t) => {
    const db = await open(t, options());
    const controller = new AbortController();
    const reason = new Error('enough');
    const running = fails('ERR_ABORTED', () => db.query(ENDLESS, [], { signal: controller.signal }));
    controller.abort(reason);
    assert.equal((await running).cause, reason);
    await fails('ERR_ABORTED', () => db.query('SELECT 1', [], { signal: AbortSignal.abort() }));
    assert.deepEqual(await db.query('SELECT 1 AS one', undefined, { signal: new AbortController().signal }), [{ one: 1 }]);
  });

  test(`${where}, a query ends with its time`, async (t) => {
    const db = await open(t, options());
    await fails('ERR_TIMEOUT', () => db.query(ENDLESS, [], { timeoutMs: 20 }), /20ms/);
    assert.deepEqual(await db.query('SELECT 1 AS one', [], { timeoutMs: 60_000 }), [{ one: 1 }]);
  });

  test(`${where}, the result of a query is bounded`, async (t) => {
    const db = await open(t, options());
    await db.insertBatch(rows(3));
    const all = 'SELECT vector FROM vectors';
    assert.equal((await db.query(all, [], { maxRows: 3 })).length, 3);
    await fails('ERR_LIMIT', () => db.query(all, [], { maxRows: 2 }), /2 rows/);
    await fails('ERR_LIMIT', () => db.query(all, [], { maxBytes: 3_000 }), /3000 bytes/);
  });
}

test('endless queries leave other calls their turn, and give up waiting for each other', async (t) => {
  // Eight of them used to stop every read and sync of the process.
  const db = await open(t, { path: file(), busyTimeoutMs: 100 });
  await db.insert([1], undefined, { id: 'a' });
  const controller = new AbortController();
  const running = Array.from({ length: 80 }, () =>
    db.query(ENDLESS, [], { signal: controller.signal }).catch((error) => error.code),
  );
  assert.ok(await db.get('a'));
  assert.equal((await db.search([1], 1)).length, 1);
  assert.equal(await Promise.race(running), 'ERR_BUSY');
  controller.abort();
  assert.deepEqual([...new Set(await Promise.all(running))].sort(), ['ERR_ABORTED', 'ERR_BUSY']);
});

test('an iteration that holds the log past its limit is cut off, told, and taken up again', async (t) => {
  // The log used to grow without bound, and nothing said so.
  const db = await open(t, { path: file(), logLimitBytes: 2 ** 20 });
  const sync = await engine(t, db, 'node-1');
  const told = new Promise((resolve) => {
    sync.on('syncError', (event) => event.errorCode === 'ERR_LIMIT' && resolve(event));
  });
  await db.insertBatch(rows(2_000).map((row, index) => ({ ...row, id: `a${String(index).padStart(4, '0')}` })));
  const seen = [];
  let written = false;
  const error = await fails('ERR_BUSY', async () => {
    for await (const { id } of db.iterate()) {
      seen.push(id);
      if (written) continue;
      written = true;
      assert.equal((await db.getStats()).readersHeld, 1);
      for (let round = 0; round < 20; round++) {
        await db.insertBatch(rows(200));
        assert.ok((await db.getStats()).logBytes < 8 * 2 ** 20);
      }
    }
  });
  assert.match(error.message, new RegExp(`after '${seen.at(-1)}'`));
  for await (const { id } of db.iterate({ after: seen.at(-1) })) if (id.startsWith('a')) seen.push(id);
  assert.equal(seen.length, 2_000);
  assert.equal(new Set(seen).size, 2_000);
  assert.match((await told).error, /cut off/);
  const { readersHeld, readersCutOff, logLimitBytes, fault } = await db.getStats();
  assert.deepEqual([readersHeld, readersCutOff, logLimitBytes, fault], [0, 1, 2 ** 20, undefined]);
});

test('the log shrinks when nothing is written', async (t) => {
  const db = await open(t, { path: file() });
  for (let round = 0; round < 20; round++) await db.insertBatch(rows(200));
  assert.ok((await db.getStats()).logBytes > 4 * 2 ** 20);
  while ((await db.getStats()).logBytes > 0) await wait(50);
  assert.equal(await db.count(), 4_000);
});
