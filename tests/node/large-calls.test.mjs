// Calls with many vectors are converted in parts: the result is that of one piece, and the event loop turns meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangelogReader, VectrDB, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';
import { fails, file, node, open } from './support.mjs';

const MANY = 10_000;
const items = (count = MANY) =>
  Array.from({ length: count }, (_, n) => ({ id: `v${n}`, vector: [n, 1], metadata: { n } }));

/** How often the event loop turned while `work` ran. */
async function turnsOf(work) {
  let turns = 0;
  let running = true;
  const count = () => {
    turns++;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  await work();
  running = false;
  return turns;
}

test('a large batch is stored as one, in its order, with all ids', async (t) => {
  const db = await open(t);
  const given = items();
  delete given[7].id;
  let ids;
  assert.ok((await turnsOf(async () => (ids = await db.insertBatch(given)))) >= 3);
  assert.equal(ids.length, MANY);
  assert.deepEqual(ids.toSpliced(7, 1), given.map(({ id }) => id).toSpliced(7, 1));
  assert.deepEqual((await db.get(ids[7])).metadata, { n: 7 });
  assert.deepEqual(Array.from((await db.get(`v${MANY - 1}`)).vector), [MANY - 1, 1]);
  assert.deepEqual(await db.insertBatch([]), []);
});

test('a fault in the last part of a large batch stores nothing', async (t) => {
  const db = await open(t);
  const given = items();
  given[MANY - 1].vector = [1, NaN];
  await fails('ERR_VECTOR', () => db.insertBatch(given), /items\[9999\]\.vector\[1\]/);
  given[MANY - 1].vector = [1, 2, 3];
  await fails('ERR_DIMENSIONS', () => db.insertBatch(given), /items\[9999\]/);
  given[MANY - 1] = { ...given[0] };
  await fails('ERR_EXISTS', () => db.insertBatch(given), /v0/);
  assert.equal(await db.count(), 0);
});

test('a batch is what was passed: up to 4,096 items wholly, of more the items themselves', async (t) => {
  const db = await open(t);
  const small = items(4096);
  const [first, last] = [small[0], small[4095]];
  const stored = db.insertBatch(small);
  first.vector[0] = 99;
  last.metadata.n = 'changed';
  small.length = 0;
  assert.equal((await stored).length, 4096);
  assert.equal((await db.get('v0')).vector[0], 0);
  assert.deepEqual((await db.get('v4095')).metadata, { n: 4095 });

  const large = items().map((item) => ({ ...item, id: `w${item.id}` }));
  const all = db.insertBatch(large);
  large.push({ id: 'late', vector: [1, 1] });
  large[MANY - 1] = { id: 'replaced', vector: [1, 1] };
  assert.equal((await all).length, MANY);
  assert.equal(await db.get('late'), null);
  assert.equal(await db.get('replaced'), null);
});

test('a vector that a later getter cuts short is stored as it was checked', async (t) => {
  const db = await open(t);
  const buffer = new ArrayBuffer(12, { maxByteLength: 12 });
  const vector = new Float32Array(buffer);
  vector.set([1, 2, 3]);
  const cuts = {
    id: 'later',
    get vector() {
      buffer.resize(4);
      return [4, 5, 6];
    },
  };
  const before = Array.from({ length: 4096 }, () => ({ vector: [7, 7, 7] }));
  await db.insertBatch([...before, { id: 'cut', vector }, cuts]);
  assert.deepEqual([...(await db.get('cut')).vector], [1, 2, 3]);
  assert.deepEqual([...(await db.get('later')).vector], [4, 5, 6]);
});

test('a close, a commit and a rollback find a large batch whole or not at all', async (t) => {
  const path = file();
  const db = await VectrDB.open({ path });
  const stored = db.insertBatch(items()).then(() => MANY, ({ code }) => (code === 'ERR_CLOSED' ? 0 : code));
  await db.close();
  const again = await open(t, { path });
  const count = await stored;
  assert.equal(await again.count(), count);
  await again.beginTransaction();
  const more = again.insertBatch(items().map(({ vector }) => ({ vector })));
  await again.commit();
  assert.equal((await more).length, MANY);
  await assert.rejects(
    again.transaction(async (tx) => {
      void tx.insertBatch(items().map(({ vector }) => ({ vector })));
      throw new Error('mine');
    }),
    /mine/,
  );
  assert.equal(await again.count(), count + MANY);
});

test('large results come whole, in their order, and let the event loop turn', async (t) => {
  const db = await open(t, { shardId: 's' });
  await db.insertBatch(items());
  let found;
  assert.ok((await turnsOf(async () => (found = await db.search([0, 1], MANY, { includeVectors: true, metric: 'euclidean' })))) >= 3);
  assert.deepEqual(found.map(({ id }) => id), items().map(({ id }) => id));
  assert.deepEqual(found.map(({ metadata, vector }) => [metadata.n, ...vector]), items().map(({ vector }) => [vector[0], ...vector]));

  let rows;
  const sql = "SELECT id, json_extract(metadata, '$.n') AS n FROM vectors ORDER BY n";
  assert.ok((await turnsOf(async () => (rows = await db.query(sql)))) >= 2);
  assert.deepEqual(rows, items().map(({ id, metadata }) => ({ id, n: metadata.n })));

  let changes;
  assert.ok((await turnsOf(async () => (changes = await new ChangelogReader(db).readChanges('s', 10)))) >= 3);
  assert.deepEqual(changes.map(({ vectorId }) => vectorId), items().slice(10).map(({ id }) => id));
});

// The loop turned while the addon worked, and then everything was converted at once.
test('no turn of the event loop converts more than a part', async (t) => {
  const config = { conflictStrategy: 'manual' };
  const [a, b] = [await node(t, 'a', { config }), await node(t, 'b', { config })];
  const other = items(2_000).map(({ vector: [n], ...item }) => ({ ...item, vector: [n, 2] }));
  await b.db.insertBatch(other);
  const calls = [
    ['insertBatch', 4096, JSON, 'stringify', () => a.db.insertBatch(items())],
    ['search', 512, JSON, 'parse', () => a.db.search([1, 1], MANY)],
    ['query', 1024, Object, 'fromEntries', () => a.db.query('SELECT id, metadata FROM vectors')],
    ['readChanges', 256, Map.prototype, 'set', () => new ChangelogReader(a.db).readChanges('shared', 0)],
    ['sync', 64, JSON, 'parse', async () => (await a.sync.sync('shared', b.address)).conflictsUnresolved],
  ];
  for (const [name, part, holder, method, call] of calls) {
    const { most, all, result } = await mostInOneTurn(t, holder, method, call);
    assert.ok(all >= result.length, `${name}: ${all} calls of ${method}`);
    // What waited for the turn before may come with it.
    assert.ok(most <= 2 * part + 100, `${name}: ${most} calls of ${method} in one turn`);
  }
  const listed = a.sync.getUnresolvedConflicts('shared');
  assert.equal(new Set(listed.map(({ vectorId }) => vectorId)).size, other.length);
  assert.deepEqual((await a.sync.sync('shared', b.address)).conflictsUnresolved, listed);
});

/** How often a function is called within one turn of the event loop while `work` runs, and in all. */
async function mostInOneTurn(t, holder, method, work) {
  const mocked = t.mock.method(holder, method);
  let [most, before, running] = [0, 0, true];
  const look = () => {
    const count = mocked.mock.callCount();
    [most, before] = [Math.max(most, count - before), count];
    if (running) setImmediate(look);
  };
  setImmediate(look);
  const result = await work();
  running = false;
  look();
  const all = mocked.mock.callCount();
  mocked.mock.restore();
  return { most, all, result };
}

test('a large delta whose bytes may be changed is copied in parts, and applied whole', async (t) => {
  const [from, to] = [await open(t), await open(t, { shardId: 'other' })];
  const wide = Array.from({ length: 4_000 }, (_, n) => ({ id: `v${n}`, vector: new Float32Array(512).fill(n) }));
  await from.insertBatch(wide);
  const bytes = (await computeDelta(from, 0)).serialize();
  assert.ok(bytes.length > 2 ** 22);
  await applyDelta(to, { serialize: () => bytes });
  assert.equal(await to.count(), 4_000);
  const answer = await computeDelta(to, 0, { answerTo: { serialize: () => bytes } });
  assert.equal(answer.vectorCount, 0);
  // Small ones are copied before the call returns.
  const small = (await computeDelta(from, 0, { maxVectors: 10 })).serialize();
  const third = await open(t);
  const applied = applyDelta(third, { serialize: () => small });
  small.fill(0);
  await applied;
  assert.equal(await third.count(), 10);
});

/** A signal of which the addon hears nothing, and which has aborted once it was asked `times` times. */
function countingSignal(times) {
  return {
    reason: 'mine',
    get aborted() {
      return times-- <= 0;
    },
    addEventListener() {},
  };
}

// Only the addon looked at them: the conversion of a million rows could not be ended.
test('a signal and a time limit end the conversion of a large result', async (t) => {
  const db = await open(t);
  await db.insertBatch(items());
  const sql = 'SELECT id, metadata FROM vectors';
  const calls = {
    search: (signal) => db.search([1, 1], MANY, { signal }),
    query: (signal) => db.query(sql, [], { signal }),
  };
  for (const call of Object.values(calls)) {
    let asked = 0;
    const asks = { addEventListener() {}, get aborted() { return asked++ < 0; } };
    assert.equal((await call(asks)).length, MANY);
    assert.ok(asked > 5, `it was asked ${asked} times`);
    const aborted = await fails('ERR_ABORTED', () => call(countingSignal(asked - 3)));
    assert.equal(aborted.cause, 'mine');
  }
  // Each look at the clock is an hour later.
  let hours = 0;
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + 3_600_000 * hours++);
  await fails('ERR_TIMEOUT', () => db.query(sql, [], { timeoutMs: 60_000 }), /60000 ms/);
  t.mock.restoreAll();
  assert.equal((await db.query(sql, [], { timeoutMs: 3_600_000 })).length, MANY);
});
