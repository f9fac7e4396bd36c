// Whatever comes in through the API's doors: a typed error, and nothing written.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { VectorQuicSync, VectrDB, VectrError, createVectorSync } from '@agentic-flow/sqlite-vector';
import { fails, file, folder, open } from './support.mjs';

const MEBIBYTE = 'x'.repeat(2 ** 20);
const cycle = {};
cycle.self = cycle;
const deep = {};
for (let level = 0, at = deep; level < 100_000; level++) at = at.a = {};
const tooDeep = { a: JSON.parse('['.repeat(1000) + ']'.repeat(1000)) };

const vectors = [
  ['ERR_ARGUMENT', undefined],
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', '1,2'],
  ['ERR_ARGUMENT', { 0: 1, 1: 2, length: 2 }],
  ['ERR_ARGUMENT', Float64Array.of(1, 2)],
  ['ERR_ARGUMENT', new ArrayBuffer(8)],
  ['ERR_ARGUMENT', [1, '2']],
  ['ERR_ARGUMENT', [1, undefined]],
  ['ERR_ARGUMENT', [1, , 2]],
  ['ERR_ARGUMENT', [1n, 2n]],
  ['ERR_VECTOR', [1, NaN]],
  ['ERR_VECTOR', [Infinity, 1]],
  ['ERR_VECTOR', [1, 1e39], /\[1\] is 1e\+39/],
  ['ERR_VECTOR', Float32Array.of(1, NaN), /\[1\] is NaN/],
  ['ERR_VECTOR', Float32Array.of(-Infinity, 1)],
  ['ERR_DIMENSIONS', []],
  ['ERR_DIMENSIONS', new Float32Array(0)],
  ['ERR_DIMENSIONS', [1, 2, 3]],
  ['ERR_DIMENSIONS', new Float32Array(100_000)],
  ['ERR_DIMENSIONS', new Array(100_000).fill(1)],
];

const metadata = [
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', 'text'],
  ['ERR_ARGUMENT', 5],
  ['ERR_ARGUMENT', [1]],
  ['ERR_ARGUMENT', new Map([['a', 1]])],
  ['ERR_ARGUMENT', new Date(0)],
  ['ERR_ARGUMENT', { a: 1n }],
  ['ERR_ARGUMENT', { a: NaN }],
  ['ERR_ARGUMENT', { a: { b: Infinity } }, /\.a\.b is Infinity/],
  ['ERR_ARGUMENT', { a: () => 1 }],
  ['ERR_ARGUMENT', { a: Symbol('s') }],
  ['ERR_ARGUMENT', { a: new Set([1]) }, /\.a is an object \(Set/],
  ['ERR_ARGUMENT', { a: Float32Array.of(1) }],
  ['ERR_ARGUMENT', cycle],
  ['ERR_ARGUMENT', deep],
  ['ERR_ARGUMENT', tooDeep, /1000 levels/],
  ['ERR_ARGUMENT', { toJSON: () => 'text' }],
  ['ERR_ARGUMENT', { toJSON: () => undefined }],
  [
    'ERR_ARGUMENT',
    {
      toJSON: () => {
        throw new Error('mine');
      },
    },
  ],
  ['ERR_ARGUMENT', { a: 'x'.repeat(256 * 1024) }, /262144/],
  ['ERR_ARGUMENT', { a: 'é'.repeat(128 * 1024) }, /262144/],
];

const ids = [
  ['ERR_ARGUMENT', ''],
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', 5],
  ['ERR_ARGUMENT', {}],
  ['ERR_ARGUMENT', MEBIBYTE],
  ['ERR_ARGUMENT', 'x'.repeat(1025)],
  ['ERR_ARGUMENT', 'é'.repeat(513)],
  ['ERR_ARGUMENT', 'a\0b'],
  ['ERR_ARGUMENT', 'line\nfeed'],
  ['ERR_ARGUMENT', 'half \ud800'],
];

const shardIds = [...ids.filter(([, id]) => id !== undefined), ['ERR_ARGUMENT', 'x'.repeat(257)]];

const options = [
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', 'shard'],
  ['ERR_ARGUMENT', []],
  ['ERR_ARGUMENT', { shardid: 's' }, /did you mean 'shardId'/],
  ['ERR_ARGUMENT', { shard: 's' }, /did you mean 'shardId'/],
  ['ERR_ARGUMENT', { somethingElse: 1 }, /known are/],
];

const statements = [
  ['ERR_ARGUMENT', undefined],
  ['ERR_ARGUMENT', 5],
  ['ERR_ARGUMENT', ''],
  ['ERR_ARGUMENT', 'nonsense'],
  ['ERR_ARGUMENT', 'DELETE FROM row'],
  ['ERR_ARGUMENT', 'DELETE FROM vectors'],
  ['ERR_ARGUMENT', 'INSERT INTO site (site) VALUES (1)'],
  ['ERR_ARGUMENT', 'CREATE TABLE t (a)'],
  ['ERR_ARGUMENT', 'DROP VIEW vectors'],
  ['ERR_ARGUMENT', "ATTACH DATABASE '/tmp/other.db' AS other"],
  ['ERR_ARGUMENT', 'DETACH DATABASE main'],
  ['ERR_ARGUMENT', 'VACUUM'],
  ['ERR_ARGUMENT', "VACUUM INTO '/tmp/other.db'"],
  ['ERR_ARGUMENT', 'BEGIN'],
  ['ERR_ARGUMENT', 'COMMIT'],
  ['ERR_ARGUMENT', 'PRAGMA journal_mode = DELETE'],
  ['ERR_ARGUMENT', 'PRAGMA user_version = 9'],
  ['ERR_ARGUMENT', 'PRAGMA writable_schema = ON'],
  ['ERR_ARGUMENT', 'SELECT * FROM row'],
  ['ERR_ARGUMENT', 'SELECT * FROM counter'],
  ['ERR_ARGUMENT', 'SELECT * FROM sqlite_schema'],
  ['ERR_ARGUMENT', "SELECT load_extension('x')"],
  ['ERR_ARGUMENT', "SELECT readfile('/etc/passwd')"],
  ['ERR_ARGUMENT', 'SELECT 1; SELECT 2'],
  ['ERR_ARGUMENT', 'SELECT 1; DELETE FROM row'],
  ['ERR_ARGUMENT', 'SELECT ?'],
];

/** Each way in, with what may not come in there. `call` gets the database and the bad value. */
const doors = [
  ['insert: vector', vectors, (db, bad) => db.insert(bad)],
  ['insert: metadata', metadata, (db, bad) => db.insert([1, 2], bad)],
  ['insert: id', ids, (db, id) => db.insert([1, 2], undefined, { id })],
  ['insert: shard', shardIds, (db, shardId) => db.insert([1, 2], undefined, { shardId })],
  ['insert: options', options, (db, bad) => db.insert([1, 2], undefined, bad)],
  ['upsert: id', [['ERR_ARGUMENT', undefined], ...ids], (db, id) => db.upsert(id, [1, 2])],
  ['upsert: vector', vectors, (db, bad) => db.upsert('a', bad)],
  ['upsert: metadata', metadata, (db, bad) => db.upsert('a', [1, 2], bad)],
  ['upsert: options', options, (db, bad) => db.upsert('a', [1, 2], undefined, bad)],
  [
    'insertBatch: items',
    [undefined, null, 5, 'x', {}, [undefined], [null], [5], [[1, 2]], [{}], [{ vector: [1, 2], text: 'x' }]].map(
      (bad) => ['ERR_ARGUMENT', bad],
    ),
    (db, bad) => db.insertBatch(bad),
  ],
  ['insertBatch: vector', vectors, (db, bad) => db.insertBatch([{ vector: [1, 2] }, { vector: bad }])],
  [
    'insertBatch: metadata',
    metadata,
    (db, bad) => db.insertBatch([{ vector: [1, 2] }, { vector: [1, 2], metadata: bad }]),
  ],
  ['insertBatch: id', ids, (db, id) => db.insertBatch([{ vector: [1, 2] }, { vector: [1, 2], id }])],
  ['insertBatch: options', options, (db, bad) => db.insertBatch([{ vector: [1, 2] }], bad)],
  ['update: id', [['ERR_ARGUMENT', undefined], ...ids], (db, id) => db.update(id, [1, 2])],
  ['update: vector', vectors.slice(1), (db, bad) => db.update('a', bad)],
  ['update: metadata', metadata, (db, bad) => db.update('a', undefined, bad)],
  ['update: nothing', [['ERR_ARGUMENT', undefined]], (db) => db.update('a')],
  ['update: options', options, (db, bad) => db.update('a', [1, 2], undefined, bad)],
  ['delete: id', [['ERR_ARGUMENT', undefined], ...ids], (db, id) => db.delete(id)],
  ['delete: options', options, (db, bad) => db.delete('a', bad)],
  ['get: id', [['ERR_ARGUMENT', undefined], ...ids], (db, id) => db.get(id)],
  ['get: options', options, (db, bad) => db.get('a', bad)],
  ['search: query', vectors, (db, bad) => db.search(bad)],
  [
    'search: k',
    [null, '5', 5n, NaN, Infinity, -1, 1.5, 1e30, 2 ** 32].map((k) => ['ERR_ARGUMENT', k]),
    (db, k) => db.search([1, 2], k),
  ],
  [
    'search: metric',
    [null, 5, 'manhattan', ''].map((metric) => ['ERR_ARGUMENT', metric]),
    (db, metric) => db.search([1, 2], 1, { metric }),
  ],
  [
    'search: threshold',
    [null, '1', NaN, Infinity].map((threshold) => ['ERR_ARGUMENT', threshold]),
    (db, threshold) => db.search([1, 2], 1, { threshold }),
  ],
  [
    'search: includeVectors',
    [null, 1, 'yes'].map((includeVectors) => ['ERR_ARGUMENT', includeVectors]),
    (db, includeVectors) => db.search([1, 2], 1, { includeVectors }),
  ],
  [
    'search: signal',
    [null, 5, {}, new AbortController()].map((signal) => ['ERR_ARGUMENT', signal]),
    (db, signal) => db.search([1, 2], 1, { signal }),
  ],
  [
    'search: options',
    [
      ...options,
      ['ERR_ARGUMENT', { include_vectors: true }, /includeVectors/],
      ['ERR_ARGUMENT', { includeVector: true }, /includeVectors/],
    ],
    (db, bad) => db.search([1, 2], 1, bad),
  ],
  ['search: shard', shardIds, (db, shardId) => db.search([1, 2], 1, { shardId })],
  [
    'changes: options',
    [...options, ['ERR_ARGUMENT', { since: '1' }], ['ERR_ARGUMENT', { since: -1 }], ['ERR_ARGUMENT', { signal: {} }]],
    (db, bad) => db.changes(bad),
  ],
  ['changes: shard', shardIds, (db, shardId) => db.changes({ shardId })],
  [
    'iterate: options',
    [...options, ['ERR_ARGUMENT', { includeVectors: 1 }], ['ERR_ARGUMENT', { after: 1 }, /after/]],
    (db, bad) => db.iterate(bad),
  ],
  [
    'iterate: shard',
    shardIds,
    async (db, shardId) => {
      for await (const _ of db.iterate({ shardId }));
    },
  ],
  ['count: options', options, (db, bad) => db.count(bad)],
  ['digest: shard', shardIds, (db, bad) => db.digest(bad)],
  ['query: sql', statements, (db, bad) => db.query(bad)],
  [
    'query: params',
    [null, {}, 5, [undefined], [NaN], [{}], [[1]], [2n ** 64n], ['\udc00'], [1, 2]].map((bad) => ['ERR_ARGUMENT', bad]),
    (db, bad) => db.query('SELECT ?', bad),
  ],
  [
    'query: options',
    [
      ['ERR_ARGUMENT', null],
      ['ERR_ARGUMENT', 5],
      ['ERR_ARGUMENT', { timeoutMs: 0 }, /timeoutMs/],
      ['ERR_ARGUMENT', { maxRows: 1.5 }, /maxRows/],
      ['ERR_ARGUMENT', { maxBytes: '1' }, /maxBytes/],
      ['ERR_ARGUMENT', { signal: {} }, /AbortSignal/],
      ['ERR_ARGUMENT', { timeout: 5 }, /timeoutMs/],
    ],
    (db, bad) => db.query('SELECT 1', [], bad),
  ],
  [
    'transaction: work',
    [undefined, null, {}, 'x'].map((bad) => ['ERR_ARGUMENT', bad]),
    (db, bad) => db.transaction(bad),
  ],
  ['transaction: not async', [['ERR_VECTOR', undefined]], (db) => db.transaction((tx) => tx.insert([NaN, 1]))],
  [
    'backup: path',
    [undefined, null, 5, '', 'a\0b', ':memory:'].map((bad) => ['ERR_ARGUMENT', bad]),
    (db, bad) => db.backup(bad),
  ],
  ['backup: folder', [['ERR_EXISTS', folder()]], (db, bad) => db.backup(bad)],
];

for (const [door, values, call] of doors) {
  test(`${door} lets nothing bad in`, async (t) => {
    for (const path of [file(), undefined]) {
      const db = await open(t, path && { path });
      await db.insert([1, 2], { kept: true }, { id: 'a' });
      const before = [await db.digest(), await db.count(), await db.shards()];
      for (const [code, bad, message] of values) await fails(code, () => call(db, bad), message);
      assert.deepEqual([await db.digest(), await db.count(), await db.shards()], before);
    }
  });
}

test('a wrong kind is a TypeError, a value out of range is not', async (t) => {
  const db = await open(t);
  assert.ok((await fails('ERR_ARGUMENT', () => db.insert('x'))) instanceof TypeError);
  assert.ok((await fails('ERR_ARGUMENT', () => db.count({ shrdId: 's' }))) instanceof TypeError);
  const error = await fails('ERR_VECTOR', () => db.insert([NaN]));
  assert.ok(error instanceof VectrError && error.name === 'VectrError');
});

test('an error of the addon has a stack that leads to the caller', async (t) => {
  const db = await open(t);
  async function myOwnFunction() {
    await db.update('missing', [1]);
  }
  const error = await fails('ERR_NOT_FOUND', myOwnFunction);
  assert.match(error.stack, /myOwnFunction/);
});

const opening = [
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', 'shard.db'],
  ['ERR_ARGUMENT', { path: '' }],
  ['ERR_ARGUMENT', { path: 5 }],
  ['ERR_ARGUMENT', { path: 'a\0b' }],
  ['ERR_ARGUMENT', { path: ':memory:' }, /memoryMode/],
  ['ERR_ARGUMENT', { path: 'file:x.db' }],
  ['ERR_ARGUMENT', { path: file(), memoryMode: true }],
  ['ERR_ARGUMENT', { memoryMode: 'yes' }],
  ['ERR_ARGUMENT', { filename: 'x' }, /known are path/],
  ['ERR_ARGUMENT', { dimension: 3 }, /did you mean 'dimensions'/],
  ['ERR_DIMENSIONS', { dimensions: 0 }],
  ['ERR_DIMENSIONS', { dimensions: 100_000 }],
  ['ERR_DIMENSIONS', { dimensions: 1.5 }],
  ['ERR_DIMENSIONS', { dimensions: -1 }],
  ['ERR_DIMENSIONS', { dimensions: NaN }],
  ['ERR_DIMENSIONS', { dimensions: 1e30 }],
  ['ERR_ARGUMENT', { dimensions: '384' }],
  ['ERR_ARGUMENT', { nodeId: '' }],
  ['ERR_ARGUMENT', { nodeId: MEBIBYTE }],
  ['ERR_ARGUMENT', { nodeId: 5 }],
  ['ERR_ARGUMENT', { shardId: '' }],
  ['ERR_ARGUMENT', { shardId: MEBIBYTE }],
  ['ERR_ARGUMENT', { shardId: 'half \udc00' }],
];

test('a database does not open with a bad option, and makes no file', async () => {
  const empty = folder();
  for (const [code, bad, message] of opening) {
    const options =
      bad?.path === undefined && typeof bad === 'object' && bad !== null ? { path: join(empty, 'x.db'), ...bad } : bad;
    await fails(code, () => VectrDB.open(options), message);
    await fails(code, () => VectrDB.new(options), message);
  }
  assert.deepEqual(readdirSync(empty), []);
});

test('a database is not made with new', async () => {
  await fails('ERR_ARGUMENT', () => new VectrDB(), /VectrDB\.open/);
  await fails('ERR_ARGUMENT', () => new VectrDB({ path: 'x' }));
});

function hash(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

test('a folder, and a file that is not SQLite, stay as they are', async () => {
  const path = folder();
  await fails('ERR_ARGUMENT', () => VectrDB.open({ path }), /folder/);
  assert.deepEqual(readdirSync(path), []);
  mkdirSync(join(path, 'sub'));
  for (const [name, bytes] of [
    ['text.db', 'just some text, long enough to be read as a header of a hundred bytes, which it is not: '.repeat(3)],
    ['short.db', 'x'],
    ['random.db', Buffer.alloc(8192, 0xa7)],
  ]) {
    const foreign = join(path, name);
    writeFileSync(foreign, bytes);
    const before = hash(foreign);
    await fails('ERR_ARGUMENT', () => VectrDB.open({ path: foreign }), new RegExp(name));
    assert.equal(hash(foreign), before);
    assert.deepEqual(
      readdirSync(path).filter((entry) => entry.startsWith(`${name}-`)),
      [],
    );
  }
  await fails('ERR_STORAGE', () => VectrDB.open({ path: join(path, 'text.db', 'below-a-file.db') }));
});

test('a newer schema, and the file of another program, stay as they are', async (t) => {
  for (const [what, offset, value] of [
    ['newer schema', 60, 99],
    ['other program', 68, 12345],
  ]) {
    const path = file();
    const db = await open(t, { path });
    await db.insert([1]);
    await db.close();
    const bytes = readFileSync(path);
    bytes.writeUInt32BE(value, offset);
    writeFileSync(path, bytes);
    const before = hash(path);
    await fails('ERR_CONFIG', () => VectrDB.open({ path }), /shard\.db/);
    assert.equal(hash(path), before, what);
    for (const rest of ['-wal', '-shm']) assert.equal(existsSync(path + rest), false);
  }
});

const configs = [
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', 'manual'],
  ['ERR_ARGUMENT', { strategy: 'manual' }, /conflictStrategy/],
  ['ERR_ARGUMENT', { conflictStrategy: 'newest' }],
  ['ERR_ARGUMENT', { conflictStrategy: 1 }],
  ['ERR_ARGUMENT', { batchSize: 0 }],
  ['ERR_ARGUMENT', { batchSize: 1e9 }],
  ['ERR_ARGUMENT', { batchSize: '5' }],
  ['ERR_ARGUMENT', { compression: 'zstd' }],
  ['ERR_ARGUMENT', { syncIntervalMs: -1 }],
  ['ERR_ARGUMENT', { syncIntervalMs: 86_400_001 }],
  ['ERR_ARGUMENT', { maxRetries: -1 }],
  ['ERR_ARGUMENT', { maxRetries: NaN }],
  ['ERR_ARGUMENT', { retryBackoffMs: 1e30 }],
  ['ERR_ARGUMENT', { persistSession: 1 }],
  ['ERR_ARGUMENT', { maxUnsentBytes: 0 }],
  ['ERR_ARGUMENT', { maxUnsentBytes: 2 ** 41 }],
  ['ERR_ARGUMENT', { maxUnappliedBytes: 0 }],
  ['ERR_ARGUMENT', { maxUnappliedBytes: 1.5 }],
  ['ERR_ARGUMENT', { maxShardsPerPeer: -1 }],
  ['ERR_ARGUMENT', { maxShardsPerPeer: 1.5 }],
  ['ERR_ARGUMENT', { onConflict: 'newest' }],
  ['ERR_ARGUMENT', { onconflict() {} }, /did you mean 'onConflict'/],
  ['ERR_ARGUMENT', { logger: 5 }],
];

const transports = [
  ['ERR_ARGUMENT', null],
  ['ERR_ARGUMENT', { timeout: 1 }],
  ['ERR_ARGUMENT', { serverName: 5 }],
  ['ERR_ARGUMENT', { serverName: 'a b' }],
  ['ERR_ARGUMENT', { connectTimeoutMs: 0 }],
  ['ERR_ARGUMENT', { connectTimeoutMs: Infinity }],
  ['ERR_ARGUMENT', { maxIdleTimeoutMs: 999 }],
  ['ERR_ARGUMENT', { maxConcurrentStreams: 0 }],
  ['ERR_ARGUMENT', { maxConcurrentStreams: 2 ** 32 }],
  ['ERR_ARGUMENT', { maxConcurrentStreams: 2 ** 32 - 1 }],
  ['ERR_ARGUMENT', { maxConnections: 0 }],
  ['ERR_ARGUMENT', { enable0Rtt: 1 }],
  ['ERR_ARGUMENT', { enable0RTT: true }, /did you mean 'enable0Rtt'/],
  ['ERR_ARGUMENT', { tls: 5 }],
  ['ERR_ARGUMENT', { tls: { pinnedFingerprint: [] } }, /did you mean 'pinnedFingerprints'/],
  ['ERR_ARGUMENT', { tls: { pinnedFingerprints: 'ab' } }],
  ['ERR_ARGUMENT', { tls: { pinnedFingerprints: ['ab'] } }],
  ['ERR_ARGUMENT', { tls: { pinnedFingerprints: [5] } }],
  ['ERR_ARGUMENT', { tls: { dangerousAcceptAnyPeer: 'yes' } }],
  ['ERR_CONFIG', { tls: { certPath: 'x' } }, /certPath/],
  ['ERR_CONFIG', { tls: { keyPath: 'x' } }, /keyPath/],
  ['ERR_CONFIG', { tls: { caPath: 'x' } }, /caPath/],
  ['ERR_CONFIG', { tls: { clusterSecret: 'x' } }, /clusterSecret.*1 bytes/],
  ['ERR_CONFIG', { tls: { clusterSecret: Array(9).fill('one of nine secrets') } }, /at most 8/],
  ['ERR_ARGUMENT', { tls: { clusterSecret: 5 } }],
  ['ERR_ARGUMENT', { tls: { clusterSecret: [5] } }],
  ['ERR_ARGUMENT', { tls: { certPath: 5 } }],
  ['ERR_ARGUMENT', { tls: { rights: [] } }],
  ['ERR_ARGUMENT', { tls: { rights: { '*': { reed: [] } } } }, /did you mean 'read'/],
  ['ERR_ARGUMENT', { tls: { rights: { '*': { read: 'all' } } } }, /read/],
  ['ERR_ARGUMENT', { tls: { rights: { '*': { write: [5] } } } }, /write/],
  ['ERR_ARGUMENT', { tls: { rights: { 'no name': {} } } }, /no name/],
];

test('an engine is not made with a bad database, name or configuration', async (t) => {
  const db = await open(t, { path: file() });
  for (const bad of [undefined, null, {}, 'shard.db', Object.create(VectrDB.prototype)]) {
    await fails('ERR_ARGUMENT', () => new VectorQuicSync(bad, 'node-1'));
  }
  for (const bad of [undefined, null, 5, 'half \ud800']) await fails('ERR_ARGUMENT', () => new VectorQuicSync(db, bad));
  for (const bad of ['', MEBIBYTE]) await fails('ERR_ARGUMENT', () => createVectorSync(db, bad));
  for (const [code, bad, message] of configs) {
    await fails(code, () => new VectorQuicSync(db, 'node-1', bad), message);
    await fails(code, () => createVectorSync(db, 'node-1', bad), message);
  }
  for (const [code, bad, message] of transports) {
    await fails(code, () => createVectorSync(db, 'node-1', undefined, bad), message);
  }
  assert.deepEqual(await db.shards(), []);
});

test('the doors of an engine let nothing bad in', async (t) => {
  const db = await open(t, { path: file() });
  const sync = new VectorQuicSync(db, 'node-1');
  t.after(() => sync.close());
  const calls = [
    ...[undefined, null, 5, {}].map((bad) => () => sync.sync(bad, '127.0.0.1')),
    ...[undefined, null, 5, {}].map((bad) => () => sync.sync('s', bad)),
    ...[null, 1, 'yes', {}].map((bad) => () => sync.sync('s', '127.0.0.1', bad)),
    ...[null, 5, { onprogress() {} }, { signal: 5 }, { onProgress: 5 }].map(
      (bad) => () => sync.sync('s', '127.0.0.1', false, bad),
    ),
    ...[null, 5, {}].map((bad) => () => sync.listen(bad)),
    ...[undefined, null, 5, '', MEBIBYTE].map((bad) => () => sync.getShardState(bad)),
    ...[undefined, null, 5, '', 'ab', 'g'.repeat(64)].map((bad) => () => sync.pinPeer(bad)),
    ...[undefined, null, 5, '', 'ab', 'g'.repeat(64)].map((bad) => () => sync.unpinPeer(bad)),
    ...['', ':', 'host:x', 'a b', '1.2.3.4.5', 'host:70000'].map((bad) => () => sync.listen(bad)),
  ];
  for (const call of calls) await fails('ERR_ARGUMENT', call);
  await fails('ERR_CONFIG', () => sync.listen('192.0.2.1:0'));
  assert.deepEqual(await db.shards(), []);
});
