// Several handles, worker threads and processes that have one file open.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test as anywhere } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { engine, fails, file, node, open, until } from './support.mjs';

// The locks of Windows let one opening in at a time.
const test = process.platform === 'win32' ? anywhere.skip : anywhere;
const writer = fileURLToPath(new URL('actors/writer.mjs', import.meta.url));

/** A process that writes `count` rows. `rows`: how many it has said to be committed. */
function start(t, path, name, count) {
  const child = spawn(process.execPath, [writer, path, name, String(count)], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const writing = { child, name, rows: 0, said: [], err: '' };
  writing.closed = once(child, 'close');
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('row ')) writing.rows = Number(line.slice(4)) + 1;
    else writing.said.push(line);
  });
  child.stderr.on('data', (data) => (writing.err += data));
  writing.until = async (what) => {
    const found = () => writing.said.find((line) => line.startsWith(what));
    await until(() => {
      assert.equal(writing.err, '');
      return found() !== undefined;
    }, what);
    return found();
  };
  return writing;
}

/** The file holds what all processes have said, and is sound. */
async function assertWhole(db, processes) {
  const held = new Set();
  for await (const { id } of db.iterate()) held.add(id);
  for (const { name, rows } of processes) {
    const ids = Array.from({ length: rows }, (_, row) => `${name}-${row}`);
    assert.deepEqual(ids.filter((id) => !held.has(id)), [], `${name} lost rows`);
  }
  assert.deepEqual(await db.query('PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
}

test('twelve processes write one file that one of them serves to two peers', async (t) => {
  const path = file('memory.db');
  const [first, second] = [await node(t, 'first'), await node(t, 'second')];
  const processes = Array.from({ length: 12 }, (_, number) => start(t, path, `p${number}`, 500));
  const server = processes[0];
  await server.until('open');
  server.child.stdin.write('listen\n');
  const address = (await server.until('address')).split(' ')[1];
  await Promise.all([first, second].map(({ sync }) => sync.sync('shared', address)));
  for (const one of processes) await one.until('done');
  for (const { sync } of [first, second]) assert.ok((await sync.sync('shared', address)).success);
  const db = await open(t, { path });
  assert.equal(await db.count(), 6000);
  for (const peer of [first, second]) assert.equal(await peer.db.digest('shared'), await db.digest());
  await assertWhole(db, processes);
  const seen = new Set();
  let last = 0;
  for await (const change of db.changes({ since: 0 })) {
    assert.ok(change.id > last, `${change.id} after ${last}`);
    last = change.id;
    seen.add(change.vectorId);
    if (last === 6000) break;
  }
  assert.equal(seen.size, 6000);
  for (const one of processes) one.child.stdin.write('close\n');
  for (const one of processes) assert.deepEqual(await one.closed, [0, null], one.err);
});

test('processes that are killed leave the others working, and lose nothing that was committed', async (t) => {
  const path = file('memory.db');
  const db = await open(t, { path, shardId: 'shared' });
  const all = [];
  let running = Array.from({ length: 4 }, (_, number) => start(t, path, `p${number}`, 1e6));
  all.push(...running);
  for (let turn = 0; turn < 6; turn += 1) {
    const [killed, ...rest] = running;
    await until(() => killed.rows > 20, 'twenty rows');
    killed.child.kill('SIGKILL');
    const next = start(t, path, `q${turn}`, 1e6);
    all.push(next);
    running = [...rest, next];
    await killed.closed;
    await db.insert([1, 1], undefined, { id: `own-${turn}` });
  }
  for (const one of running) one.child.kill('SIGKILL');
  await Promise.all(running.map((one) => one.closed));
  assert.deepEqual(all.filter((one) => one.err !== ''), []);
  await assertWhole(db, all);
  const sync = await engine(t, db, 'machine');
  // One site for the file, whoever wrote.
  assert.equal((await sync.getShardState('shared')).versionVector.size, 1);
});

test('a commit of one handle is told to the feeds and live sessions of another', async (t) => {
  const path = file('memory.db');
  const [a, b] = [await open(t, { path, shardId: 'shared' }), await open(t, { path, shardId: 'shared' })];
  const peer = await node(t, 'peer');
  const live = await engine(t, b, 'machine');
  live.startAutoSync('shared', peer.address);
  const feed = b.changes({ since: 0 })[Symbol.asyncIterator]();
  for (const id of ['x', 'y', 'z']) {
    await a.insert([1, 2], undefined, { id });
    assert.equal((await feed.next()).value.vectorId, id);
    await until(async () => (await peer.db.get(id)) !== null, id);
  }
  await feed.return();
});

test('a transaction of one handle keeps the other waiting, which says who it is', async (t) => {
  const path = file('memory.db');
  const [a, b] = [await open(t, { path }), await open(t, { path, busyTimeoutMs: 50 })];
  await a.transaction(async (tx) => {
    await tx.insert([1], undefined, { id: 'a' });
    await fails('ERR_BUSY', () => b.insert([1]), /another handle in this process/);
    assert.equal(await b.get('a'), null);
  });
  await b.insert([1], undefined, { id: 'b' });
  assert.equal(await a.count(), 2);
});

test('worker threads write one file', async (t) => {
  const path = file('memory.db');
  const db = await open(t, { path });
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { VectrDB } from ${JSON.stringify(import.meta.resolve('@agentic-flow/sqlite-vector'))};
    const db = await VectrDB.open({ path: workerData.path });
    for (let row = 0; row < 50; row += 1) await db.insert([row], undefined, { id: workerData.name + row });
    await db.close();
    parentPort.postMessage('done');`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const workers = ['a', 'b', 'c'].map((name) => new Worker(url, { workerData: { path, name } }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  assert.equal(await db.count(), 150);
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('the last handle that closes a file leaves it whole, in one piece', async (t) => {
  const path = file('memory.db');
  const handles = await Promise.all(Array.from({ length: 5 }, () => VectrDB.open({ path })));
  await Promise.all(handles.map((db, at) => db.insert([at], undefined, { id: `v${at}` })));
  await Promise.all(handles.map((db) => db.close()));
  const db = await open(t, { path });
  assert.equal(await db.count(), 5);
});
