// Databases that are opened with `readOnly`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VectorQuicSync, VectrDB, createShardCoordinator } from '@agentic-flow/sqlite-vector';
import { fails, file, open, until } from './support.mjs';

const writer = fileURLToPath(new URL('actors/writer.mjs', import.meta.url));

/** The path of a closed database with ten vectors. */
async function written() {
  const path = file('shared.db');
  const db = await VectrDB.open({ path, shardId: 'shared', nodeId: 'machine' });
  await db.insertBatch(Array.from({ length: 10 }, (_, n) => ({ id: `v${n}`, vector: [n, 1], metadata: { n } })));
  await db.close();
  return path;
}

const beside = (path) => readdirSync(dirname(path)).sort();

test('all that reads works, and nothing is left beside the file', async (t) => {
  const path = await written();
  const before = beside(path);
  const db = await open(t, { path, readOnly: true });
  assert.deepEqual([db.readOnly, db.shardId, db.nodeId], [true, 'shared', 'machine']);
  assert.equal((await open(t)).readOnly, false);
  assert.deepEqual((await db.search([9, 1], 1)).map(({ id, metadata }) => [id, metadata]), [['v9', { n: 9 }]]);
  assert.deepEqual((await db.get('v3')).vector, new Float32Array([3, 1]));
  const ids = [];
  for await (const { id } of db.iterate()) ids.push(id);
  assert.equal(ids.length, 10);
  assert.deepEqual(await db.query('SELECT count(*) AS n FROM vectors'), [{ n: 10 }]);
  assert.deepEqual([await db.count(), await db.shards()], [10, ['shared']]);
  assert.match(await db.digest(), /^[0-9a-f]{64}-10$/);
  assert.ok((await db.getStats()).fileBytes > 0);
  const changed = [];
  for await (const { vectorId } of db.changes({ since: 0 })) if (changed.push(vectorId) === 10) break;
  assert.deepEqual(changed, ids);
  const copy = file('copy.db');
  await db.backup(copy);
  assert.equal(await (await open(t, { path: copy })).count(), 10);
  await db.close();
  await fails('ERR_CLOSED', () => db.count());
  assert.deepEqual(beside(path), before);
});

test('every call that writes is refused, and names the way out', async (t) => {
  const path = await written();
  const before = beside(path);
  const db = await open(t, { path, readOnly: true });
  const calls = {
    insert: () => db.insert([1, 2]),
    upsert: () => db.upsert('v1', [1, 2]),
    insertBatch: () => db.insertBatch([{ vector: [1, 2] }]),
    update: () => db.update('v1', [1, 2]),
    delete: () => db.delete('v1'),
    transaction: () => db.transaction(async () => {}),
    beginTransaction: () => db.beginTransaction(),
    VectorQuicSync: async () => {
      const sync = new VectorQuicSync(db, 'machine');
      t.after(() => sync.close());
      await sync.initialize();
    },
    createShardCoordinator: () => createShardCoordinator(db, 'machine'),
  };
  for (const [name, call] of Object.entries(calls)) {
    await t.test(name, () => fails('ERR_READ_ONLY', call, /shared\.db.*without readOnly/));
  }
  assert.equal(await db.count(), 10);
  assert.deepEqual(beside(path), before);
});

test('options and files that do not fit are refused, and nothing is created', async () => {
  await fails('ERR_ARGUMENT', () => VectrDB.open({ readOnly: true }), /no path/);
  await fails('ERR_ARGUMENT', () => VectrDB.open({ memoryMode: true, readOnly: true }), /no path/);
  await fails('ERR_ARGUMENT', () => VectrDB.open({ path: file(), readOnly: 'yes' }), /readOnly/);
  const path = file('missing.db');
  await fails('ERR_ARGUMENT', () => VectrDB.open({ path, readOnly: true }), /not there/);
  assert.deepEqual(beside(path), []);
  writeFileSync(path, '');
  await fails('ERR_ARGUMENT', () => VectrDB.open({ path, readOnly: true }), /empty/);
  const named = await written();
  await fails('ERR_NODE_ID', () => VectrDB.open({ path: named, readOnly: true, nodeId: 'other' }));
  await fails('ERR_DIMENSIONS', () => VectrDB.open({ path: named, readOnly: true, dimensions: 3 }));
});

test('the changes of a process that writes are heard', async (t) => {
  const path = await written();
  const db = await open(t, { path, readOnly: true });
  const changes = db.changes();
  const child = spawn(process.execPath, [writer, path, 'p', '300'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const said = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  const heard = new Set();
  for await (const { vectorId } of changes) {
    heard.add(vectorId);
    if (heard.size === 300) break;
  }
  assert.equal(await db.count(), 310);
  await until(() => said.includes('done'), 'the end of the writer');
  child.stdin.write('close\n');
  await once(child, 'close');
  assert.equal(await db.count(), 310);
  // A writer in this process, beside it.
  const own = await open(t, { path });
  await own.insert([1, 2]);
  assert.equal(await db.count(), 311);
  await db.close();
  await own.insert([1, 2]);
});
