// Machines whose disks are put back, and copies that go on: nothing acknowledged is lost, all nodes agree, and no vector
// is rewritten. Each node is a process; a snapshot puts everything on its disk back in place, with the same inode.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { startNode } from './actors/process.mjs';
import { fails, file, folder, open } from './support.mjs';

const BASE = 20;

async function write(node, prefix, count, value) {
  const items = Array.from({ length: count }, (_, at) => ({ id: `${prefix}${at}`, vector: [value, at] }));
  if (count > 0) await node.db('insertBatch', items);
}

async function sync(from, to) {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const result = await from.sync('sync', 'shared', to.address);
    if (result.success) return;
    assert.equal(result.errorCode, 'ERR_RESTART', result.error);
  }
  assert.fail('no end to restarts');
}

async function shown(node) {
  const entries = {};
  for (const [prefix, count] of [['base', BASE], ['lost', 1003], ['new', 1003]]) {
    const ids = Array.from({ length: count }, (_, at) => `${prefix}${at}`);
    const found = await Promise.all(ids.map((id) => node.db('get', id)));
    for (const [at, entry] of found.entries()) {
      if (entry !== null) entries[ids[at]] = [entry.vector[0], entry.timestamp];
    }
  }
  return entries;
}

/** A proof of continuity lies in the memory of one boot: another folder is another boot. */
function boots(t) {
  const before = process.env.VECTR_RUNTIME_DIR;
  return () => {
    const empty = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/vectr-boot-') : folder();
    process.env.VECTR_RUNTIME_DIR = empty;
    t.after(() => {
      process.env.VECTR_RUNTIME_DIR = before;
      rmSync(empty, { recursive: true, force: true });
    });
  };
}

for (const rebooted of [false, true]) {
  for (const lost of [1, 10, 1000]) {
    for (const added of [Math.floor(lost / 2), lost, lost + 3]) {
      for (const prefix of ['lost', 'new']) {
        const name = `${lost} lost, ${added} written to ${prefix === 'lost' ? 'the same' : 'other'} ids, `
          + (rebooted ? 'after a boot' : 'in one boot');
        test(`a machine put back to a snapshot gets everything back: ${name}`, async (t) => {
          const boot = boots(t);
          const path = file('a.db');
          let a = await startNode(t, { path, name: 'a' });
          const hub = await startNode(t, { path: file('hub.db'), name: 'hub' });
          const third = await startNode(t, { path: file('third.db'), name: 'third' });
          await write(a, 'base', BASE, 0);
          await sync(a, hub);
          await a.kill();
          const disk = [path, `${path}-wal`].filter(existsSync).map((part) => [part, readFileSync(part)]);
          a = await startNode(t, { path, name: 'a' });
          await write(a, 'lost', lost, 1);
          await sync(a, hub);
          await a.kill();
          for (const [part, content] of disk) writeFileSync(part, content);
          if (rebooted) boot();
          a = await startNode(t, { path, name: 'a' });
          const before = await shown(a);
          await write(a, prefix, added, 2);
          await sync(a, hub);
          await sync(third, hub);
          await sync(third, a);
          const [first, ...others] = await Promise.all([a, hub, third].map(shown));
          for (const other of others) assert.deepEqual(other, first);
          const both = prefix === 'lost' ? Math.min(lost, added) : 0;
          assert.equal(Object.keys(first).length, BASE + lost + added - both);
          for (const [id, version] of Object.entries(before)) assert.deepEqual(first[id], version);
          const digests = await Promise.all([a, hub, third].map((node) => node.db('digest')));
          assert.equal(new Set(digests).size, 1);
        });
      }
    }
  }
}

for (const rebooted of [false, true]) {
  for (const straight of [true, false]) {
    const name = `${straight ? 'straight' : 'through a hub and a third node'}, ${rebooted ? 'after a boot' : 'in one boot'}`;
    test(`two copies of a file that go on are two nodes: ${name}`, async (t) => {
      const boot = boots(t);
      const [path, copy] = [file('a.db'), file('b.db')];
      let a = await startNode(t, { path, name: 'a' });
      const hub = await startNode(t, { path: file('hub.db'), name: 'hub' });
      const third = await startNode(t, { path: file('third.db'), name: 'third' });
      await write(a, 'base', BASE, 0);
      await sync(a, hub);
      await a.kill();
      for (const part of ['', '-wal']) if (existsSync(path + part)) copyFileSync(path + part, copy + part);
      if (rebooted) boot();
      a = await startNode(t, { path, name: 'a' });
      const b = await startNode(t, { path: copy, name: 'a' });
      const before = await shown(a);
      await write(a, 'lost', 10, 1);
      await write(b, 'new', 10, 2);
      if (straight) await sync(a, b);
      for (const [from, to] of [[a, hub], [third, hub], [b, third], [third, hub], [a, hub]]) await sync(from, to);
      const [first, ...others] = await Promise.all([a, b, hub, third].map(shown));
      for (const other of others) assert.deepEqual(other, first);
      assert.equal(Object.keys(first).length, BASE + 20);
      for (const [id, version] of Object.entries(before)) assert.deepEqual(first[id], version);
    });
  }
}

test('a log that belongs to another file is refused, and both are left as they were', async (t) => {
  const [path, other] = [file('a.db'), file('b.db')];
  for (const [at, name] of [[path, 'a'], [other, 'b']]) {
    // Closed once: what a new file holds is in its log alone.
    let node = await startNode(t, { path: at, name });
    await write(node, 'base', BASE, 0);
    await node.close();
    node = await startNode(t, { path: at, name });
    await write(node, 'new', 1, 1);
    await node.kill();
  }
  copyFileSync(`${other}-wal`, `${path}-wal`);
  const before = [path, `${path}-wal`].map((part) => readFileSync(part));
  await fails('ERR_STORAGE', () => VectrDB.open({ path }), /does not continue/);
  assert.deepEqual([path, `${path}-wal`].map((part) => readFileSync(part)), before);
});

test('a node that syncs with its own address says so and changes nothing', async (t) => {
  const path = file('a.db');
  const a = await startNode(t, { path, name: 'a' });
  await write(a, 'base', BASE, 0);
  const before = await a.sync('getShardState', 'shared');
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const result = await a.sync('sync', 'shared', a.address);
    assert.deepEqual([result.success, result.errorCode], [false, 'ERR_CONFIG'], result.error);
    assert.match(result.error, /this very database/);
  }
  const after = await a.sync('getShardState', 'shared');
  assert.deepEqual([after.currentChangeId, after.versionVector], [before.currentChangeId, before.versionVector]);
});

test('openings of other handles and processes leave the first one whole', { skip: process.platform === 'win32' }, async (t) => {
  const path = file('a.db');
  const db = await open(t, { path });
  for (let at = 0; at < 50; at += 1) await db.upsert(`v${at}`, [at]);
  await (await VectrDB.open({ path })).close();
  const looked = spawnSync(process.execPath, ['--input-type=module', '-e', `
    import { VectrDB } from '@agentic-flow/sqlite-vector';
    const db = await VectrDB.open({ path: ${JSON.stringify(path)} });
    process.exit((await db.count()) === 50 ? 0 : 1);`], { cwd: new URL('../..', import.meta.url), encoding: 'utf8' });
  assert.equal(looked.status, 0, looked.stderr);
  for (let at = 50; at < 100; at += 1) await db.upsert(`v${at}`, [at]);
  await db.close();
  const again = await open(t, { path });
  assert.equal(await again.count(), 100);
});
