// The callback that decides conflicts: runs on one node, and its answer is an ordinary write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engine, fails, node, synced, until } from './support.mjs';

const MANUAL = { conflictStrategy: 'manual' };

/** A node whose callback is `onConflict`, and one without; both have written `ids`. */
async function pair(t, onConflict, ids = ['v'], config = {}) {
  const a = await node(t, 'a', { config: { ...MANUAL, onConflict, ...config } });
  const b = await node(t, 'b', { config: MANUAL });
  await write(a, b, ids);
  return [a, b];
}

async function write(a, b, ids) {
  for (const id of ids) {
    await a.db.upsert(id, [1, 0], { writer: 'a' });
    await b.db.upsert(id, [0, 1], { writer: 'b' });
  }
}

function heard(sync, name) {
  const all = [];
  sync.on(name, (event) => all.push(event));
  return all;
}

test('its answer settles the conflict, and the result counts it', async (t) => {
  const asked = [];
  const [a, b] = await pair(
    t,
    async (conflict) => {
      asked.push(conflict.id);
      const [one, other] = conflict.versions;
      const vector = one.vector.map((component, index) => (component + other.vector[index]) / 2);
      return { ...conflict.localChange, vector, metadata: { both: true } };
    },
    ['u', 'v', 'w'],
  );
  const result = await synced(a, b);
  assert.deepEqual([result.conflictsDetected, result.conflictsResolved], [3, 3]);
  assert.deepEqual(result.conflictsUnresolved, []);
  assert.equal(new Set(asked).size, 3);
  assert.equal(asked.length, 3, 'each is asked about once');
  await synced(a, b);
  for (const { db, sync } of [a, b]) {
    assert.deepEqual(sync.getUnresolvedConflicts(), []);
    const { vector, metadata } = await db.get('u');
    assert.deepEqual([[...vector], metadata], [[0.5, 0.5], { both: true }]);
  }
});

test('what it leaves stays, and the next sync asks again', async (t) => {
  const answers = [null, undefined, { shardId: 'shared', vectorId: 'v', operation: 'delete' }];
  const [a, b] = await pair(t, () => answers.shift());
  for (let left = 2; left > 0; left--) {
    const result = await synced(a, b);
    assert.deepEqual([result.conflictsResolved, result.conflictsUnresolved.length, answers.length], [0, 1, left]);
  }
  const result = await synced(a, b);
  assert.deepEqual([result.conflictsResolved, result.conflictsUnresolved], [1, []]);
  assert.equal(await a.db.get('v'), null);
});

test('what it throws is an event, and leaves the conflict', async (t) => {
  const thrown = new Error('no idea');
  for (const onConflict of [
    () => {
      throw thrown;
    },
    async () => Promise.reject(thrown),
  ]) {
    const [a, b] = await pair(t, onConflict);
    const failures = heard(a.sync, 'syncError');
    const result = await synced(a, b);
    assert.deepEqual([result.conflictsResolved, result.conflictsUnresolved.length], [0, 1]);
    await until(() => failures.length > 0, 'the event');
    assert.equal(failures.length, 1);
    const [{ errorCode, error, cause, shardId }] = failures;
    assert.deepEqual([errorCode, cause, shardId], ['ERR_CONFLICT_CALLBACK', thrown, 'shared']);
    assert.match(error, /'v'.*no idea/);
  }
});

test('an answer that is none is an event, and leaves the conflict', async (t) => {
  for (const [answer, message] of [
    ['local', /a change/],
    [{ shardId: 'shared', vectorId: 'other', operation: 'delete' }, /other/],
    [{ shardId: 'shared', vectorId: 'v', vector: [1, 2, 3] }, /3/],
  ]) {
    const [a, b] = await pair(t, () => answer);
    const failures = heard(a.sync, 'syncError');
    assert.equal((await synced(a, b)).conflictsUnresolved.length, 1);
    await until(() => failures.length > 0, 'the event');
    assert.equal(failures[0].errorCode, 'ERR_CONFLICT_CALLBACK');
    assert.match(failures[0].error, message);
  }
});

// An error of a call that the callback made was reported under its own code, or not at all if that was ERR_NOT_FOUND.
test('what it throws has one code, whatever its own is', async (t) => {
  for (const code of ['ERR_NOT_FOUND', 'ERR_BUSY']) {
    const thrown = Object.assign(new Error('of another call'), { code });
    const [a, b] = await pair(t, () => Promise.reject(thrown));
    const failures = heard(a.sync, 'syncError');
    await synced(a, b);
    await until(() => failures.length > 0, 'the event');
    assert.deepEqual([failures[0].errorCode, failures[0].cause], ['ERR_CONFLICT_CALLBACK', thrown]);
  }
});

test('an answer that cannot be written has the cause of that', async (t) => {
  const [a, b] = await pair(t, ({ localChange }) => ({ ...localChange, vector: [1, 2, 3] }));
  const failures = heard(a.sync, 'syncError');
  const told = a.sync.events();
  await synced(a, b);
  await until(() => failures.length > 0, 'the event');
  const [{ cause, error }] = failures;
  assert.deepEqual([cause.code, error], ['ERR_DIMENSIONS', `onConflict failed about vector 'v': ${cause.message}`]);
  let read;
  do ({ value: read } = await told.next());
  while (read.type !== 'syncError');
  assert.deepEqual(read, failures[0]);
});

test('many conflicts are decided a few at a time, and each is counted', async (t) => {
  let [running, most] = [0, 0];
  const ids = Array.from({ length: 30 }, (_, index) => `v${index}`);
  const decide = async ({ localChange }) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return localChange;
  };
  const [a, b] = await pair(t, decide, ids);
  const { conflictsResolved, conflictsUnresolved } = await synced(a, b);
  assert.deepEqual([conflictsResolved, conflictsUnresolved, most <= 8], [30, [], true]);
});

test('a version that comes while it thinks is asked about as well', async (t) => {
  let interrupt = async () => {};
  const shown = [];
  const [a, b] = await pair(t, async ({ versions, localChange }) => {
    shown.push(versions.length);
    await interrupt();
    return { ...localChange, metadata: { decided: true } };
  });
  const c = await node(t, 'c', { config: MANUAL });
  await c.db.insert([5, 5], { writer: 'c' }, { id: 'v' });
  interrupt = async () => {
    interrupt = async () => {};
    assert.ok((await a.sync.sync('shared', c.address)).success);
  };
  const result = await synced(a, b);
  assert.deepEqual(result.conflictsUnresolved, []);
  assert.ok(shown.length >= 2, `asked ${shown.length} times`);
  assert.deepEqual((await a.db.get('v')).metadata, { decided: true });
  assert.deepEqual(a.sync.getUnresolvedConflicts(), []);
});

test('it decides what a peer brings, without a sync from here', async (t) => {
  const [a, b] = await pair(t, ({ localChange }) => localChange);
  await synced(b, a);
  await until(() => a.sync.getUnresolvedConflicts().length === 0, 'the decision');
  await synced(b, a);
  assert.deepEqual(b.sync.getUnresolvedConflicts(), []);
});

test('it decides what waits when the engine is initialized', async (t) => {
  const [a, b] = await pair(t, undefined);
  await synced(a, b);
  await a.sync.close();
  const asked = [];
  const sync = await engine(t, a.db, 'a', {
    ...MANUAL,
    onConflict: (conflict) => {
      asked.push(conflict.vectorId);
      return conflict.localChange;
    },
  });
  await until(() => sync.getUnresolvedConflicts().length === 0, 'the decision');
  assert.deepEqual(asked, ['v']);
});

test('under another strategy it is never asked', async (t) => {
  let asked = 0;
  const [a, b] = await pair(t, () => void asked++, ['v'], { conflictStrategy: 'last-write-wins' });
  const result = await synced(a, b);
  assert.deepEqual([result.conflictsDetected, result.conflictsResolved, asked], [1, 1, 0]);
});

test('a sync that waits for it ends with its signal and with the engine', async (t) => {
  const [a, b] = await pair(t, () => new Promise(() => {}));
  const controller = new AbortController();
  const waiting = fails('ERR_ABORTED', () => a.sync.sync('shared', b.address, false, { signal: controller.signal }));
  await until(() => a.sync.getUnresolvedConflicts().length === 1, 'the conflict');
  await until(async () => (await a.sync.getShardState('shared')).status === 'idle', 'the end of the exchange');
  controller.abort();
  await waiting;
  const closing = fails('ERR_CLOSED', () => a.sync.sync('shared', b.address));
  await until(async () => (await a.sync.getShardState('shared')).status === 'idle', 'the end of the exchange');
  await a.sync.close();
  await closing;
});
