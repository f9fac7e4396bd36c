// Processes and worker threads that end, in order and not.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { file, folder, node, open, phraseItems, synced, until } from './support.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a module's text in a process of its own; resolves to [exit code, signal, output]. */
async function run(source, args = [], shell = null) {
  const node = [process.execPath, '--input-type=module', '--expose-gc', '-e', source, '--', ...args];
  const [command, ...rest] = shell ? [...shell, ...node] : node;
  const child = spawn(command, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  const guard = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await once(child, 'close');
  clearTimeout(guard);
  return [code, signal, output];
}

const PACKAGE =
  "import { VectrDB, VectorQuicSync } from '@agentic-flow/sqlite-vector';\nconst [path] = process.argv.slice(-1);\n";

test('a process with closed handles exits by itself', async () => {
  const source = `${PACKAGE}
    const db = await VectrDB.open({ path, shardId: 's' });
    const other = await VectrDB.open({ shardId: 's' });
    await db.insert([1, 2]);
    const [a, b] = [new VectorQuicSync(db, 'a'), new VectorQuicSync(other, 'b')];
    const address = await b.listen('127.0.0.1:0');
    const result = await a.sync('s', address, false, { onProgress() {}, signal: new AbortController().signal });
    for await (const entry of db.iterate()) break;
    await a.close(); await b.close(); await db.close(); await other.close();
    console.log(result.success);`;
  assert.deepEqual(await run(source, [file()]), [0, null, 'true\n']);
});

test('a process that forgot to close exits all the same, and loses nothing', async (t) => {
  const path = file();
  const source = `${PACKAGE}
    const db = await VectrDB.open({ path });
    const sync = new VectorQuicSync(db, 'a');
    await sync.initialize();
    await db.insertBatch(Array.from({ length: 100 }, (_, i) => ({ id: 'v' + i, vector: [i] })));
    db.iterate()[Symbol.asyncIterator]().next();
    db.search([1]);`;
  assert.deepEqual(await run(source, [path]), [0, null, '']);
  assert.equal(await (await open(t, { path })).count(), 100);
});

test('process.exit in the middle of calls ends at once, and loses nothing acknowledged', async (t) => {
  const path = file();
  const source = `${PACKAGE}
    const db = await VectrDB.open({ path });
    const sync = new VectorQuicSync(db, 'a');
    await sync.listen('127.0.0.1:0');
    await db.insert([0], undefined, { id: 'acknowledged' });
    await db.beginTransaction();
    await db.insert([0], undefined, { id: 'uncommitted' });
    for (let i = 0; i < 300; i++) { db.insert([i]).catch(() => {}); db.search([1]).catch(() => {}); }
    sync.sync('x', '127.0.0.1:1').catch(() => {});
    setImmediate(() => process.exit(7));`;
  assert.deepEqual(await run(source, [path]), [7, null, '']);
  const db = await open(t, { path });
  assert.ok(await db.get('acknowledged'));
  assert.equal(await db.get('uncommitted'), null);
});

test('a listening process stays until its engine is closed', async () => {
  const source = `${PACKAGE}
    const sync = new VectorQuicSync(await VectrDB.open({ path }), 'a');
    await sync.listen('127.0.0.1:0');
    globalThis.gc();
    setTimeout(() => { console.log('still here'); sync.close(); }, 300).unref();`;
  assert.deepEqual(await run(source, [file()]), [0, null, 'still here\n']);
});

const DECIDING = `import { VectrDB, createVectorSync } from '@agentic-flow/sqlite-vector';
  const [path, address] = process.argv.slice(-2);
  const db = await VectrDB.open({ path });`;

/** A node that listens, and the file of another, with different versions of `count` vectors. */
async function inConflict(t, count) {
  const hub = await node(t, 'hub', { config: { conflictStrategy: 'manual' } });
  const path = file();
  const db = await VectrDB.open({ path, nodeId: 'deciding', shardId: 'shared' });
  for (const { id, vector } of phraseItems(count)) {
    await db.insert(vector, { by: 'deciding' }, { id });
    await hub.db.insert(vector, { by: 'hub' }, { id });
  }
  return { hub, db, path };
}

test('a process ends while only onConflict is waited for', async (t) => {
  const { hub, db, path } = await inConflict(t, 9);
  await db.close();
  const source = `${DECIDING}
    const sync = await createVectorSync(db, 'deciding', {
      conflictStrategy: 'manual',
      onConflict() { console.log('asked'); return new Promise(() => {}); },
    });
    sync.sync('shared', address).then(() => console.log('decided'));`;
  assert.deepEqual(await run(source, [path, hub.address]), [0, null, 'asked\n'.repeat(8)]);
});

test('a process does not end before onConflict has decided what it can', async (t) => {
  const { hub, db, path } = await inConflict(t, 20);
  const sync = new VectorQuicSync(db, 'deciding', { conflictStrategy: 'manual' });
  await synced({ sync }, hub);
  await sync.close();
  await db.close();
  const source = `${DECIDING}
    await createVectorSync(db, 'deciding', {
      conflictStrategy: 'manual',
      onConflict: async ({ localChange, vectorId }) => (vectorId === 'p0' ? new Promise(() => {}) : localChange),
    });`;
  assert.deepEqual(await run(source, [path, hub.address]), [0, null, '']);
  const decided = new VectorQuicSync(await open(t, { path }), 'deciding');
  t.after(() => decided.close());
  assert.deepEqual(
    decided.getUnresolvedConflicts().map(({ vectorId }) => vectorId),
    ['p0'],
  );
});

test('an uncaught error ends a process as usual', async () => {
  const source = `${PACKAGE}
    const db = await VectrDB.open({ path });
    await db.insert([NaN]);`;
  const [code, signal, output] = await run(source, [file()]);
  assert.deepEqual([code, signal], [1, null]);
  assert.match(output, /VectrError.*vector\[0\] is NaN/s);
  assert.match(output, /ERR_VECTOR/);
});

const WRITER = `${PACKAGE}
  const item = (i) => ({ id: 'v' + i, vector: Array.from({ length: 384 }, (_, k) => (i * 7919 + k) % 101) });
  const db = await VectrDB.open({ path });
  await db.insertBatch(Array.from({ length: 50 }, (_, i) => item(i)));
  const before = [await db.digest(), await db.count()].join();
  let failure = null;
  try {
    for (let round = 1; round < 100; round++) await db.insertBatch(Array.from({ length: 200 }, (_, i) => item(round * 1000 + i)));
  } catch (error) { failure = error; }
  if (failure === null) throw new Error('the disk never became full');
  const { code, message } = failure;
  const held = await db.count();
  const batch = (held - 50) % 200;
  const readable = (await db.get('v7')).vector.length;
  const [{ integrity_check: check }] = await db.query('PRAGMA integrity_check');
  console.log(JSON.stringify({ code, message, batch, readable, check, held }));
  await db.close().catch((error) => { if (error.code !== 'ERR_STORAGE') throw error; });`;

async function diskIsFull(t, path, outcome) {
  const [code, signal, output] = outcome;
  assert.deepEqual([code, signal], [0, null], output);
  const told = JSON.parse(output);
  assert.equal(told.code, 'ERR_STORAGE', told.message);
  assert.deepEqual([told.batch, told.readable, told.check], [0, 384, 'ok'], 'a batch is there wholly or not at all');
  return told;
}

test(
  'a file that may not grow is ERR_STORAGE, and nothing of the failed call is kept',
  { skip: process.platform === 'win32' && 'no ulimit' },
  async (t) => {
    const path = file();
    const told = await diskIsFull(
      t,
      path,
      await run(WRITER, [path], ['bash', '-c', 'ulimit -f 4096 && exec "$0" "$@"']),
    );
    const db = await open(t, { path });
    assert.equal(await db.count(), told.held);
    await db.insert(new Array(384).fill(1), undefined, { id: 'after' });
  },
);

test('a full disk is ERR_STORAGE, and nothing of the failed call is kept', async (t) => {
  const disk = join(folder(), 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk]);
  if (mounted.status !== 0) return t.skip('no disk can be mounted here; the test before limits a file instead');
  t.after(() => spawnSync('umount', ['-l', disk]));
  const path = join(disk, 'shard.db');
  const told = await diskIsFull(t, path, await run(WRITER, [path]));
  assert.match(told.message, /full/);
  spawnSync('mount', ['-o', 'remount,size=32m', disk]);
  const db = await VectrDB.open({ path });
  assert.equal(await db.count(), told.held);
  await db.insert(new Array(384).fill(1));
  await db.close();
});

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { VectrDB, VectorQuicSync } = await import('@agentic-flow/sqlite-vector');
    const { path, name, items, address } = workerData;
    const db = await VectrDB.open({ path, shardId: 'shared' });
    await db.insertBatch(items);
    const sync = new VectorQuicSync(db, name);
    const result = await sync.sync('shared', address);
    const [hit] = await db.search(items[0].vector, 1);
    const listening = await sync.listen('127.0.0.1:0');
    parentPort.postMessage({ success: result.success, error: result.error, hit, listening });
    if (workerData.stays) { for (let i = 0; ; i++) { db.search(items[0].vector).catch(() => {}); await db.upsert('busy', items[0].vector); } }
    await sync.close();
    await db.close();
  })();`;

function work(data) {
  return new Worker(WORKER, { eval: true, workerData: data });
}

test('each worker thread has its own database, several at once', async (t) => {
  const hub = await node(t, 'hub');
  const workers = [0, 1, 2].map((index) =>
    work({ path: file(), name: `worker-${index}`, items: phraseItems(100, index * 100), address: hub.address }),
  );
  const ended = workers.map((worker) => once(worker, 'exit'));
  const told = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  for (const [index, { success, error, hit }] of told.entries()) {
    assert.ok(success, error);
    assert.equal(hit.id, `p${index * 100}`);
  }
  for (const [code] of await Promise.all(ended)) assert.equal(code, 0);
  assert.equal(await hub.db.count(), 300);
});

test('a worker that is terminated in the middle of its work takes nothing along', async (t) => {
  const hub = await node(t, 'hub');
  for (let round = 0; round < 5; round++) {
    const path = file();
    const worker = work({
      path,
      name: `worker-${round}`,
      items: phraseItems(50, round * 50),
      address: hub.address,
      stays: true,
    });
    const [{ success, error, listening }] = await once(worker, 'message');
    assert.ok(success, error);
    await worker.terminate();
    // Its calls end, and its handles go, in their own time.
    let db;
    await until(async () => {
      db = await VectrDB.open({ path }).catch((failure) => failure);
      return db instanceof VectrDB;
    }, "the end of the worker's handles");
    t.after(() => db.close());
    assert.ok((await db.count({ shardId: 'shared' })) >= 50);
    await until(
      async () =>
        hub.sync.listen(listening).then(
          () => true,
          () => false,
        ),
      'the end of its listener',
    );
  }
  await hub.db.insert(phraseItems(1)[0].vector);
  const other = await node(t, 'other');
  await synced(other, hub);
});
