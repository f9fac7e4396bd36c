import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { DIMENSIONS, content, fails, file, folder, open, phrase, phraseItems } from './support.mjs';

test('a new database makes its folders and takes its shard from its name', async (t) => {
  const path = join(folder(), 'deep', 'er', 'agent_001.db');
  const db = await open(t, { path });
  assert.equal(db.path, path);
  assert.equal(db.shardId, 'agent_001');
  assert.equal(db.nodeId, null);
  assert.ok(existsSync(path));
  assert.equal(await db.count(), 0);
});

test('a database in memory needs no options', async (t) => {
  for (const options of [undefined, {}, { memoryMode: true }, { memoryMode: false }]) {
    const db = await open(t, options);
    assert.equal(db.path, null);
    assert.equal(db.shardId, 'default');
    const id = await db.insert([1, 2, 3]);
    assert.deepEqual([...(await db.get(id)).vector], [1, 2, 3]);
  }
});

test('new is the same as open', async (t) => {
  const db = await VectrDB.new({ nodeId: 'node-1', shardId: 's' });
  t.after(() => db.close());
  assert.ok(db instanceof VectrDB);
  assert.deepEqual([db.nodeId, db.shardId], ['node-1', 's']);
});

test('what was inserted is read back bit by bit, after reopening too', async (t) => {
  const path = file();
  const first = await open(t, { path, nodeId: 'node-1' });
  const metadata = { text: 'grüße 😀', nested: { list: [1, 2.5, null, true] }, ['__proto__']: 'own' };
  await first.insert(phrase(7), metadata, { id: 'seven' });
  await first.close();

  const db = await open(t, { path });
  assert.equal(db.nodeId, 'node-1');
  const entry = await db.get('seven');
  assert.deepEqual(entry.vector, phrase(7));
  assert.equal(entry.vector.buffer.byteLength, DIMENSIONS * 4, 'its buffer holds nothing else');
  assert.deepEqual(entry.metadata, JSON.parse(JSON.stringify(metadata)));
  assert.equal(entry.conflicted, false);
  assert.ok(Math.abs(entry.timestamp / 1000 - Date.now()) < 3_600_000, 'microseconds since the Unix epoch');
});

test('an id that is not given is a new UUIDv7', async (t) => {
  const db = await open(t);
  const ids = [
    await db.insert([1]),
    await db.insert([1]),
    ...(await db.insertBatch([{ vector: [1] }, { vector: [1] }])),
  ];
  assert.equal(new Set(ids).size, 4);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('a vector that is changed after the call was made is stored as it was', async (t) => {
  const db = await open(t);
  const vector = Float32Array.of(1, 2, 3);
  const inserted = db.insert(vector, undefined, { id: 'a' });
  vector.fill(9);
  await inserted;
  assert.deepEqual([...(await db.get('a')).vector], [1, 2, 3]);
});

test('vectors in shared memory and in the middle of a buffer are taken', async (t) => {
  const db = await open(t);
  const shared = new Float32Array(new SharedArrayBuffer(8));
  shared.set([1, 2]);
  await db.insert(shared, undefined, { id: 'shared' });
  await db.insert(new Float32Array([9, 3, 4, 9]).subarray(1, 3), undefined, { id: 'middle' });
  assert.deepEqual([...(await db.get('shared')).vector], [1, 2]);
  assert.deepEqual([...(await db.get('middle')).vector], [3, 4]);
});

test('a live id is refused, and free again after its delete', async (t) => {
  const db = await open(t);
  await db.insert([1], undefined, { id: 'a' });
  await fails('ERR_EXISTS', () => db.insert([2], undefined, { id: 'a' }), /'a'/);
  assert.equal(await db.delete('a'), true);
  assert.equal(await db.delete('a'), false);
  assert.equal(await db.get('a'), null);
  await db.insert([3], undefined, { id: 'a' });
  assert.deepEqual([...(await db.get('a')).vector], [3]);
});

test('upsert replaces vector and metadata; update keeps what is left out', async (t) => {
  const db = await open(t);
  await db.upsert('a', [1], { x: 1 });
  await db.update('a', undefined, { y: 2 });
  assert.deepEqual((await db.get('a')).metadata, { y: 2 });
  await db.update('a', [5]);
  assert.deepEqual([...(await db.get('a')).vector], [5]);
  assert.deepEqual((await db.get('a')).metadata, { y: 2 });
  await db.upsert('a', [6]);
  assert.equal((await db.get('a')).metadata, undefined);
  await fails('ERR_NOT_FOUND', () => db.update('b', [1]), /'b'/);
});

test('a batch is all or nothing', async (t) => {
  const db = await open(t, { path: file() });
  const ids = await db.insertBatch(phraseItems(500));
  assert.deepEqual(
    ids,
    phraseItems(500).map((item) => item.id),
  );
  assert.deepEqual((await db.get('p499')).vector, phrase(499));
  const before = await db.digest();
  const again = [...phraseItems(10, 500), { id: 'p3', vector: phrase(3) }];
  await fails('ERR_EXISTS', () => db.insertBatch(again), /'p3'/);
  await fails('ERR_EXISTS', () => db.insertBatch([...phraseItems(2, 500), ...phraseItems(1, 500)]), /'p500'/);
  assert.equal(await db.digest(), before);
  assert.equal(await db.count(), 500);
  assert.deepEqual(await db.insertBatch([]), []);
});

test('shards have their own ids, dimensions and counts', async (t) => {
  const db = await open(t, { path: file(), shardId: 'main' });
  await db.insert([1, 2], undefined, { id: 'a' });
  await db.insert([1, 2, 3], { other: true }, { id: 'a', shardId: 'other' });
  assert.deepEqual(await db.shards(), ['main', 'other']);
  assert.equal((await db.get('a', { shardId: 'other' })).vector.length, 3);
  assert.equal(await db.count({ shardId: 'other' }), 1);
  assert.equal(await db.count({ shardId: 'none' }), 0);
  await db.upsert('a', [4, 5, 6], undefined, { shardId: 'other' });
  await db.update('a', [7, 8, 9], undefined, { shardId: 'other' });
  assert.equal(await db.delete('a', { shardId: 'other' }), true);
  assert.deepEqual([...(await db.get('a')).vector], [1, 2]);
});

test('dimensions are fixed by the option or the first insert', async (t) => {
  const path = file();
  const db = await open(t, { path, dimensions: 3 });
  await fails('ERR_DIMENSIONS', () => db.insert([1, 2]), /3/);
  await db.insert([1, 2, 3]);
  await db.close();
  await fails('ERR_DIMENSIONS', () => VectrDB.open({ path, dimensions: 4 }));
  const again = await open(t, { path });
  await fails('ERR_DIMENSIONS', () => again.insert([1]));
});

test('a search finds the nearest by each metric', async (t) => {
  const db = await open(t, { path: file() });
  await db.insertBatch([
    { id: 'x', vector: [1, 0], metadata: { name: 'x' } },
    { id: 'xy', vector: [3, 3] },
    { id: 'y', vector: [0, 2] },
  ]);
  const cosine = await db.search([1, 0], 2);
  assert.deepEqual(
    cosine.map((hit) => hit.id),
    ['x', 'xy'],
  );
  assert.deepEqual(cosine[0].metadata, { name: 'x' });
  assert.equal(cosine[0].vector, undefined);
  assert.ok(Math.abs(cosine[1].similarity - Math.SQRT1_2) < 1e-6);
  assert.ok(Math.abs(cosine[1].distance - (1 - Math.SQRT1_2)) < 1e-6);

  const euclidean = await db.search([1, 0], 3, { metric: 'euclidean' });
  assert.deepEqual(
    euclidean.map((hit) => hit.id),
    ['x', 'y', 'xy'],
  );
  assert.ok(Math.abs(euclidean[1].distance - Math.sqrt(5)) < 1e-6);
  assert.ok(Math.abs(euclidean[1].similarity - 1 / (1 + Math.sqrt(5))) < 1e-6);

  const dot = await db.search([1, 0], 10, { metric: 'dot', threshold: 1, includeVectors: true });
  assert.deepEqual(
    dot.map(({ id, similarity, distance }) => [id, similarity, distance]),
    [
      ['xy', 3, -3],
      ['x', 1, -1],
    ],
  );
  assert.deepEqual([...dot[0].vector], [3, 3]);
  assert.equal(dot[0].vector.buffer.byteLength, 8);

  assert.deepEqual(await db.search([1, 0], 0), []);
  assert.deepEqual(await db.search([1, 0, 0], 5, { shardId: 'empty' }), []);
  await fails('ERR_DIMENSIONS', () => db.search([1, 0, 0]));
});

test('a search over real embeddings finds itself first, ten by default', async (t) => {
  const db = await open(t, { path: file() });
  await db.insertBatch(phraseItems(1000));
  const hits = await db.search(phrase(123));
  assert.equal(hits.length, 10);
  assert.equal(hits[0].id, 'p123');
  assert.ok(hits[0].similarity > 0.999);
  assert.deepEqual(
    hits.map((hit) => hit.distance),
    hits.map((hit) => hit.distance).sort((a, b) => a - b),
  );
});

test('a query sees the documented views as plain objects', async (t) => {
  const db = await open(t, { path: file(), nodeId: 'node-1', shardId: 's' });
  await db.insert([1, 2], { a: 1 }, { id: 'v' });
  const [change] = await db.query('SELECT * FROM vector_changelog WHERE vector_id = ?', ['v']);
  assert.equal(change.operation, 'insert');
  assert.equal(change.source_node, 'node-1');
  assert.deepEqual([...new Float32Array(change.vector_data.slice().buffer)], [1, 2]);
  assert.deepEqual(JSON.parse(change.metadata), { a: 1 });
  assert.match(change.version_vector, /^\{"node-1@[0-9a-f]{16}":1\}$/);
  const [state] = await db.query('SELECT shard_id FROM shard_metadata');
  assert.deepEqual(state, { shard_id: 's' });
  const [found] = await db.query('SELECT id FROM vectors WHERE vector = ?', [Float32Array.of(1, 2)]);
  assert.deepEqual(found, { id: 'v' });
  assert.deepEqual(await db.query('SELECT id FROM vectors WHERE 0'), []);
  assert.deepEqual(await db.query('PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
});

test('values cross a query unchanged', async (t) => {
  const db = await open(t);
  const values = [null, 1, -1.5, 9007199254740991, 9223372036854775807n, 'täxt', new Uint8Array([0, 255])];
  const [row] = await db.query('SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f, ? AS g', values);
  assert.deepEqual(Object.values(row), values);
  const [truth] = await db.query('SELECT ? AS t, ? AS f, typeof(?) AS integer, typeof(?) AS real', [
    true,
    false,
    2,
    2.5,
  ]);
  assert.deepEqual(truth, { t: 1, f: 0, integer: 'integer', real: 'real' });
});

test('a walk shows every vector of one moment in the order of ids', async (t) => {
  for (const path of [file(), undefined]) {
    const db = await open(t, path && { path });
    await db.insertBatch(phraseItems(1500));
    const ids = [];
    for await (const { id, vector, metadata, timestamp } of db.iterate({ includeVectors: true })) {
      if (ids.length === 20) await db.insert(phrase(0), undefined, { id: 'zzz' });
      if (ids.length === 30) await db.delete('p999');
      if (metadata.number === 40) assert.deepEqual(vector, phrase(40));
      assert.ok(Number.isSafeInteger(timestamp));
      ids.push(id);
    }
    assert.deepEqual(
      ids,
      phraseItems(1500)
        .map((item) => item.id)
        .sort(),
    );
    const after = [];
    for await (const { id, vector } of db.iterate()) {
      assert.equal(vector, undefined);
      after.push(id);
    }
    assert.ok(after.includes('zzz') && !after.includes('p999'));
  }
});

test('a walk that is broken off, or one of many at once, keeps nothing open', async (t) => {
  const db = await open(t, { path: file() });
  await db.insertBatch(phraseItems(200));
  const walks = Array.from({ length: 20 }, async () => {
    for await (const { id } of db.iterate()) {
      if (id === 'p150') return id;
    }
  });
  assert.deepEqual(new Set(await Promise.all(walks)), new Set(['p150']));
  const walk = db.iterate();
  await assert.rejects(async () => {
    for await (const _ of walk) throw new Error('mine');
  }, /mine/);
  assert.equal((await content(db)).length, 200, 'and may be walked again');
});

test('a backup is a consistent copy and a site of its own', async (t) => {
  const db = await open(t, { path: file(), nodeId: 'node-1' });
  await db.insertBatch(phraseItems(100));
  const copy = file('copy.db');
  await db.backup(copy);
  await fails('ERR_EXISTS', () => db.backup(copy), /copy\.db/);
  const restored = await open(t, { path: copy, shardId: db.shardId });
  assert.equal(await restored.digest(), await db.digest());
  assert.deepEqual(await content(restored), await content(db));
  await restored.insert(phrase(0), undefined, { id: 'new' });
  const [row] = await restored.query("SELECT version_vector FROM vector_changelog WHERE vector_id = 'new'");
  const [old] = await db.query("SELECT version_vector FROM vector_changelog WHERE vector_id = 'p0'");
  assert.notDeepEqual(Object.keys(JSON.parse(row.version_vector)), Object.keys(JSON.parse(old.version_vector)));
});

test('equal content has an equal digest, whatever the order', async (t) => {
  const db = await open(t);
  const empty = await db.digest();
  await db.insert([1], undefined, { id: 'a' });
  const one = await db.digest();
  assert.notEqual(one, empty);
  assert.equal(await db.digest('default'), one);
  assert.notEqual(await db.digest('other'), one);
  await db.delete('a');
  assert.equal(await db.digest(), empty);
});

test('a database is free after its last close', { skip: process.platform === 'win32' }, async (t) => {
  const path = file();
  const [db, other] = [await open(t, { path }), await open(t, { path })];
  await db.close();
  assert.ok(existsSync(`${path}-wal`));
  await other.close();
  assert.ok(!existsSync(`${path}-wal`));
  const again = await open(t, { path });
  assert.equal(await again.count(), 0);
  assert.equal(statSync(dirname(path)).isDirectory(), true);
});

test('another name than the recorded one is refused', async (t) => {
  const path = file();
  await (await open(t, { path, nodeId: 'node-1' })).close();
  await fails('ERR_NODE_ID', () => VectrDB.open({ path, nodeId: 'node-2' }), /node-1.*node-2/);
});

test('a vector is exactly similar to itself, also at the highest threshold', async (t) => {
  const db = await open(t, { shardId: 'f' });
  const vectors = Array.from({ length: 200 }, (_, index) => phrase(index));
  await db.insertBatch(vectors.map((vector, index) => ({ id: `v${index}`, vector })));
  for (const [index, vector] of vectors.entries()) {
    const [first] = await db.search(vector, 1, { threshold: 1 });
    assert.deepEqual([first.id, first.similarity, first.distance], [`v${index}`, 1, 0]);
  }
});

test('scores are sums in doubles, and thresholds are compared with them', async (t) => {
  const db = await open(t, { shardId: 'f' });
  await db.insertBatch([['ten', 10], ['one', 1], ['three', 3]].map(([id, x]) => ({ id, vector: [1e8, x, -1e8, 0] })));
  const found = await db.search([1, 1, 1, 1], 3, { metric: 'dot', threshold: 1 });
  assert.deepEqual(found.map(({ id, similarity }) => [id, similarity]), [['ten', 10], ['three', 3], ['one', 1]]);
  assert.equal((await db.search([1, 1, 1, 1], 3, { metric: 'dot', threshold: 1.00000001 })).length, 2);
});
