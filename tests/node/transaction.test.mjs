import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fails, file, node, open, synced } from './support.mjs';

for (const where of ['in a file', 'in memory']) {
  const options = () => (where === 'in a file' ? { path: file() } : undefined);

  test(`${where}, a transaction commits when its work resolves`, async (t) => {
    const db = await open(t, options());
    const value = await db.transaction(async (tx) => {
      await tx.insert([1], undefined, { id: 'a' });
      await tx.insertBatch([
        { id: 'b', vector: [2] },
        { id: 'c', vector: [3] },
      ]);
      await tx.upsert('a', [4]);
      await tx.update('b', undefined, { x: 1 });
      assert.equal(await tx.delete('c'), true);
      assert.deepEqual([...(await tx.get('a')).vector], [4], 'it sees its own writes');
      return 'done';
    });
    assert.equal(value, 'done');
    assert.deepEqual([...(await db.get('a')).vector], [4]);
    assert.deepEqual((await db.get('b')).metadata, { x: 1 });
    assert.equal(await db.count(), 2);
  });

  test(`${where}, a transaction whose work rejects leaves nothing`, async (t) => {
    const db = await open(t, options());
    await db.insert([1], undefined, { id: 'kept' });
    const before = await db.digest();
    const mine = new Error('mine');
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.insert([2], undefined, { id: 'gone' });
        await tx.delete('kept');
        throw mine;
      }),
      (error) => error === mine,
    );
    assert.equal(await db.digest(), before);
    assert.equal(await db.get('gone'), null);
  });

  test(`${where}, a call that fails inside a transaction takes only itself back`, async (t) => {
    const db = await open(t, options());
    await db.transaction(async (tx) => {
      await tx.insert([1], undefined, { id: 'a' });
      await fails('ERR_EXISTS', () =>
        tx.insertBatch([
          { id: 'b', vector: [2] },
          { id: 'a', vector: [2] },
        ]),
      );
    });
    assert.equal(await db.count(), 1);
  });

  test(`${where}, calls after beginTransaction belong to it until its end`, async (t) => {
    const db = await open(t, options());
    await db.beginTransaction();
    await db.insert([1], undefined, { id: 'a' });
    assert.ok(await db.get('a'));
    await fails('ERR_TRANSACTION', () => db.beginTransaction());
    await db.rollback();
    assert.equal(await db.get('a'), null);
    await db.beginTransaction();
    await db.insert([1], undefined, { id: 'a' });
    await db.commit();
    assert.ok(await db.get('a'));
    await fails('ERR_TRANSACTION', () => db.commit());
    await fails('ERR_TRANSACTION', () => db.rollback());
  });
}

test('a tx is of no use after its end', async (t) => {
  const db = await open(t);
  let kept;
  await db.transaction(async (tx) => {
    kept = tx;
  });
  await fails('ERR_TRANSACTION', () => kept.insert([1]));
  await fails('ERR_TRANSACTION', () => kept.get('a'));
});

test('calls that work did not await still belong to its transaction', async (t) => {
  const db = await open(t, { path: file() });
  const started = [];
  await db.transaction(async (tx) => {
    for (let index = 0; index < 50; index++) started.push(tx.insert([index], undefined, { id: `v${index}` }));
  });
  await Promise.all(started);
  assert.equal(await db.count(), 50);
});

test('transactions at the same time run one after the other', async (t) => {
  const db = await open(t, { path: file() });
  await db.insert([0], undefined, { id: 'counter' });
  const increment = () =>
    db.transaction(async (tx) => {
      const { vector } = await tx.get('counter');
      await tx.upsert('counter', [vector[0] + 1]);
    });
  await Promise.all(Array.from({ length: 25 }, increment));
  assert.deepEqual([...(await db.get('counter')).vector], [25]);
});

test('a transaction inside another is refused at once', async (t) => {
  const db = await open(t);
  await db.transaction(async (tx) => {
    await fails('ERR_TRANSACTION', () => db.transaction(async () => {}), /tx/);
    await fails('ERR_TRANSACTION', () => db.beginTransaction());
    await tx.insert([1]);
  });
  assert.equal(await db.count(), 1);
});

test('reads outside see what is committed, writes outside wait for the end', async (t) => {
  const db = await open(t, { path: file() });
  let outside;
  await db.transaction(async (tx) => {
    await tx.insert([1], undefined, { id: 'inside' });
    assert.equal(await db.get('inside'), null);
    assert.equal(await db.count(), 0);
    outside = db.insert([2], undefined, { id: 'outside' });
    await tx.insert([3], undefined, { id: 'inside too' });
  });
  assert.equal(await outside, 'outside');
  assert.equal(await db.count(), 3);
});

test('a thousand calls that wait for a transaction do not keep it from ending', async (t) => {
  const db = await open(t, { path: file() });
  const waiting = [];
  await db.transaction(async (tx) => {
    for (let index = 0; index < 1000; index++) waiting.push(db.insert([1], undefined, { id: `w${index}` }));
    await tx.insert([1], undefined, { id: 'first' });
  });
  await Promise.all(waiting);
  assert.equal(await db.count(), 1001);
});

test('closing rolls an open transaction back', async (t) => {
  const path = file();
  const db = await open(t, { path });
  await db.insert([1], undefined, { id: 'kept' });
  await db.beginTransaction();
  await db.insert([2], undefined, { id: 'gone' });
  await db.close();
  const again = await open(t, { path });
  assert.equal(await again.count(), 1);
});

test('a database that is closed inside a transaction ends it', async (t) => {
  const path = file();
  const db = await open(t, { path });
  await fails('ERR_CLOSED', () =>
    db.transaction(async (tx) => {
      await tx.insert([1]);
      await db.close();
      await tx.insert([2]);
    }),
  );
  const again = await open(t, { path });
  assert.equal(await again.count(), 0);
});

test('transactions behind one that never settles end: with ERR_BUSY in time, with ERR_CLOSED at the close', async (t) => {
  // They used to wait for ever, after the close too.
  const db = await open(t, { path: file(), busyTimeoutMs: 100 });
  const stuck = fails('ERR_CLOSED', () => db.transaction(() => new Promise(() => {})));
  const behind = Array.from({ length: 3 }, () => fails('ERR_BUSY', () => db.transaction(async () => {}), /100ms/));
  await Promise.all(behind);
  const late = fails('ERR_CLOSED', () => db.transaction(async () => assert.fail('it never begins')));
  await db.close();
  await Promise.all([stuck, late]);
});

test('six hundred transactions that wait take no thread from the one that is open', async (t) => {
  const db = await open(t, { path: file() });
  const all = Array.from({ length: 600 }, (_, index) =>
    db.transaction((tx) => tx.upsert(`v${index % 7}`, [index])),
  );
  await Promise.all(all);
  assert.deepEqual([...(await db.get('v4')).vector], [599]);
});

test('a transaction in one that beginTransaction opened is refused at once', async (t) => {
  const db = await open(t);
  await db.beginTransaction();
  await fails('ERR_TRANSACTION', () => db.transaction(async () => {}), /beginTransaction/);
  await db.commit();
});

test('what waits too long for a transaction is ERR_BUSY: a write, and a sync from either side', async (t) => {
  const [a, b] = [await node(t, 'a', { config: { maxRetries: 0 } }), await node(t, 'b', { config: { maxRetries: 0 } })];
  await b.db.insert([1], undefined, { id: 'theirs' });
  let results;
  await a.db.transaction(async (tx) => {
    await tx.insert([2], undefined, { id: 'mine' });
    const write = fails('ERR_BUSY', () => a.db.insert([3]));
    results = await Promise.all([a.sync.sync('shared', b.address), b.sync.sync('shared', a.address), write]);
  });
  for (const { success, errorCode } of results.slice(0, 2)) assert.deepEqual([success, errorCode], [false, 'ERR_BUSY']);
  await synced(a, b);
  assert.equal(await a.db.digest(), await b.db.digest());
  assert.equal(await a.db.count(), 2);
});
