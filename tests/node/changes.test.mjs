// VectrDB.changes: what is applied, as it is applied.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { VectrDB, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';
import { content, fails, file, node, open, phraseItems, synced } from './support.mjs';

/** The next changes, in short. */
async function take(changes, count) {
  const taken = [];
  while (taken.length < count) {
    const { value, done } = await changes.next();
    assert.equal(done, false);
    taken.push([value.operation, value.vectorId]);
  }
  return taken;
}

test('each change comes once, from the call on, in order, as it is written', async (t) => {
  const db = await open(t, { path: file(), shardId: 'notes' });
  await db.insert([1, 2], undefined, { id: 'before' });
  const changes = db.changes();
  const waiting = changes.next();
  await db.insert([1, 2], { n: 1 }, { id: 'a' });
  const { value } = await waiting;
  assert.deepEqual([value.operation, value.vectorId, value.metadata, value.shardId], ['insert', 'a', { n: 1 }, 'notes']);
  assert.deepEqual(value.vector, new Float32Array([1, 2]));
  await db.update('a', [3, 4]);
  await db.delete('before');
  assert.deepEqual(await take(changes, 2), [['update', 'a'], ['delete', 'before']]);
  await db.insert([9, 9], undefined, { id: 'elsewhere', shardId: 'other' });
  await db.transaction(async (tx) => {
    await tx.insert([5, 6], undefined, { id: 'b' });
    await tx.insert([5, 6], undefined, { id: 'c' });
  });
  assert.deepEqual(await take(changes, 2), [['insert', 'b'], ['insert', 'c']]);
  await changes.return();
  assert.deepEqual(await changes.next(), { done: true, value: undefined });
});

test('what is written between the call and the first next comes too', async (t) => {
  const db = await open(t, { path: file() });
  const changes = db.changes();
  await db.insert([1], undefined, { id: 'a' });
  assert.deepEqual(await take(changes, 1), [['insert', 'a']]);
});

test('what a peer or a delta brings comes as well', async (t) => {
  const [here, there] = [await node(t, 'here'), await node(t, 'there')];
  const changes = here.db.changes();
  await there.db.insertBatch(phraseItems(3));
  await synced(here, there);
  const ids = (await content(here.db, 'shared')).map(({ id }) => id);
  assert.deepEqual((await take(changes, 3)).map(([, id]) => id).sort(), ids.sort());
  await there.db.insert(new Array(384).fill(0.5), undefined, { id: 'by delta' });
  await applyDelta(here.db, await computeDelta(there.db, 0));
  assert.deepEqual(await take(changes, 1), [['insert', 'by delta']]);
});

test('a program goes on behind the last change that it saw, in the next process too', async (t) => {
  const path = file();
  let db = await VectrDB.open({ path });
  await db.insertBatch(Array.from({ length: 700 }, (_, n) => ({ id: `v${n}`, vector: [n] })));
  const seen = [];
  const changes = db.changes({ since: 0 });
  for await (const { id, vectorId } of changes) {
    seen.push(vectorId);
    assert.equal(changes.position, id);
    if (seen.length === 300) break;
  }
  await db.close();
  db = await open(t, { path });
  await db.insert([700], undefined, { id: 'v700' });
  for await (const { vectorId } of db.changes({ since: changes.position })) {
    seen.push(vectorId);
    if (seen.length === 701) break;
  }
  assert.deepEqual(seen, Array.from({ length: 701 }, (_, n) => `v${n}`));
});

// Concurrent versions share an id: whoever went on behind it never saw the others.
test('a program that stops between two versions of a vector gets both again', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  await a.db.upsert('x', [1], { of: 'a' });
  await b.db.upsert('x', [2], { of: 'b' });
  await synced(a, b);
  const versions = async (changes) => {
    const both = [await changes.next(), await changes.next()].map(({ value }) => value);
    assert.equal(both[0].id, both[1].id);
    return both.map(({ metadata }) => metadata.of).sort();
  };
  const changes = a.db.changes({ since: 0 });
  await changes.next();
  assert.equal(changes.position, 0);
  assert.deepEqual(await versions(a.db.changes({ since: changes.position })), ['a', 'b']);
  await changes.next();
  await changes.return();
  assert.ok(changes.position > 0);
  const behind = a.db.changes({ since: changes.position });
  await a.db.upsert('y', [3]);
  assert.deepEqual(await take(behind, 1), [['insert', 'y']]);
});

test('a transaction that is open for long holds up a feed, and ends it not', async (t) => {
  const db = await open(t, { path: file(), busyTimeoutMs: 20 });
  const [changes, left] = [db.changes(), db.changes()];
  const waiting = [changes.next(), left.next()];
  // Its commit wakes them; that it survives a power cut is only known after the transaction.
  const inserted = db.insert([1], undefined, { id: 'before' });
  await inserted;
  await db.beginTransaction();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await left.return();
  await waiting[1];
  await db.insert([1], undefined, { id: 'within' });
  await db.commit();
  assert.equal((await waiting[0]).value.vectorId, 'before');
  assert.deepEqual(await take(changes, 1), [['insert', 'within']]);
});

test('an older copy of the file is noticed', async (t) => {
  const db = await open(t, { path: file() });
  await db.insert([1]);
  const backup = file('backup.db');
  await db.backup(backup);
  await db.insert([2]);
  const older = await open(t, { path: backup });
  await fails('ERR_NOT_HELD', () => older.changes({ since: 2 }), /no change is as new as 2, the newest one is 1/);
  assert.equal((await take(older.changes({ since: 0 }), 1)).length, 1);
});

test('close, break and return end an iteration, also one that waits', async (t) => {
  const db = await open(t, { path: file() });
  const [closed, returned] = [db.changes(), db.changes()];
  const waiting = [closed.next(), returned.next()];
  assert.deepEqual(await returned.return(), { done: true, value: undefined });
  assert.deepEqual(await waiting[1], { done: true, value: undefined });
  await db.close();
  assert.deepEqual(await waiting[0], { done: true, value: undefined });
  await fails('ERR_CLOSED', () => db.changes());
});

test('a signal ends it with ERR_ABORTED, before and while it waits', async (t) => {
  const db = await open(t, { path: file() });
  const controller = new AbortController();
  const waiting = db.changes({ signal: controller.signal }).next();
  controller.abort(new Error('enough'));
  const error = await fails('ERR_ABORTED', () => waiting);
  assert.equal(error.cause.message, 'enough');
  await fails('ERR_ABORTED', () => db.changes({ signal: controller.signal }).next());
});

test('calls of next that are not awaited get one change each, in order', async (t) => {
  const db = await open(t, { path: file() });
  const changes = db.changes();
  const waiting = [changes.next(), changes.next(), changes.next()];
  await db.insertBatch(['a', 'b', 'c'].map((id) => ({ id, vector: [1] })));
  const values = await Promise.all(waiting);
  assert.deepEqual(values.map(({ value }) => value.vectorId), ['a', 'b', 'c']);
});

test('a program that only waits for changes stays alive, and ends once it does not', async (t) => {
  const program = `
    import { VectrDB } from '@agentic-flow/sqlite-vector';
    const db = await VectrDB.open({ path: process.argv[1] });
    const changes = db.changes();
    process.stdin.once('data', async () => {
      process.stdin.pause();
      await db.insert([1], undefined, { id: 'woken' });
    });
    process.stdout.write('waits');
    for await (const { vectorId } of changes) {
      process.stdout.write(vectorId);
      break;
    }
    db.changes();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file()], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
    if (said === 'waits') child.stdin.end('go');
  });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.equal(said, 'waitswoken');
});
