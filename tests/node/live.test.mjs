// Auto-sync: commits travel as they happen, through failures of the peer, until it is stopped.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { engine, fails, file, node, open, synced, until } from './support.mjs';

const has = (db, id) => async () => (await db.get(id)) !== null;

/** The next event that fits, from now on. */
async function next(sync, name, fits = () => true) {
  for await (const event of sync.events()) if (event.type === name && fits(event)) return event;
  assert.fail(`no '${name}' came`);
}

test('commits of both nodes arrive without a sync', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  await a.db.insert([0], undefined, { id: 'before-a' });
  await b.db.insert([0], undefined, { id: 'before-b' });
  const online = next(a.sync, 'peer');
  assert.equal(a.sync.startAutoSync('shared', b.address), undefined);
  a.sync.startAutoSync('shared', b.address);
  assert.deepEqual(await online, { type: 'peer', shardId: 'shared', peerAddress: b.address, status: 'online' });
  await until(has(a.db, 'before-b'), 'what b had');
  await until(has(b.db, 'before-a'), 'what a had');
  for (let round = 0; round < 5; round++) {
    await a.db.insert([round], undefined, { id: `a${round}` });
    await b.db.insert([round], undefined, { id: `b${round}` });
    await until(has(b.db, `a${round}`), 'the commit of a');
    await until(has(a.db, `b${round}`), 'the commit of b');
  }
  await a.db.delete('a0');
  await until(async () => (await b.db.get('a0')) === null, 'the deletion');
  assert.equal(await a.db.digest(), await b.db.digest());
});

test('after a stop nothing travels, and it can begin again', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  for (const stop of [(sync) => sync.stopAutoSync('shared'), (sync) => sync.stopAllAutoSyncs()]) {
    const [online, id] = [next(a.sync, 'peer', ({ status }) => status === 'online'), `v${Math.random()}`];
    a.sync.startAutoSync('shared', b.address);
    await online;
    const offline = next(a.sync, 'peer');
    a.sync.stopAutoSync('other');
    assert.equal(stop(a.sync), undefined);
    assert.equal((await offline).status, 'offline');
    await a.db.insert([1], undefined, { id });
    await b.db.insert([1], undefined, { id: `${id}-b` });
    // A sync with somebody else in between: there was time for the commit to travel.
    const c = await node(t, `c${id}`);
    await synced(a, c);
    assert.equal(await b.db.get(id), null);
  }
  a.sync.stopAutoSync('shared');
  a.sync.stopAllAutoSyncs();
  await synced(a, b);
  assert.equal(await a.db.digest(), await b.db.digest());
});

test('a stop before the engine is open counts', async (t) => {
  const b = await node(t, 'b');
  const db = await open(t, { path: file(), shardId: 'shared' });
  const sync = new VectorQuicSync(db, 'a');
  t.after(() => sync.close());
  sync.startAutoSync('shared', b.address);
  sync.stopAutoSync('shared');
  sync.startAutoSync('kept', b.address);
  await db.insert([1], undefined, { id: 'v' });
  await db.insert([1], undefined, { id: 'v', shardId: 'kept' });
  await until(async () => (await b.db.get('v', { shardId: 'kept' })) !== null, 'the wanted shard');
  assert.equal(await b.db.get('v'), null);
});

test('a peer that goes and comes back is in step again', async (t) => {
  const [a, b] = [await node(t, 'a'), await node(t, 'b')];
  const online = next(a.sync, 'peer');
  a.sync.startAutoSync('shared', b.address);
  await online;
  const offline = next(a.sync, 'peer', ({ status }) => status === 'offline');
  await b.sync.close();
  await offline;
  await a.db.insert([1], undefined, { id: 'meanwhile' });
  const again = await engine(t, b.db, 'b');
  const back = next(a.sync, 'peer', ({ status }) => status === 'online');
  await again.listen(b.address);
  await back;
  await until(has(b.db, 'meanwhile'), 'what was written meanwhile');
});

test('failures are events: of the address, of the engine, of a peer that is not there', async (t) => {
  const a = await node(t, 'a', { quicConfig: { connectTimeoutMs: 50 } });
  for (const [address, code] of [
    ['no address', 'ERR_ARGUMENT'],
    ['127.0.0.1:1', 'ERR_PEER_UNREACHABLE'],
  ]) {
    const failure = next(a.sync, 'syncError');
    a.sync.startAutoSync('shared', address);
    const { errorCode, peerAddress, shardId } = await failure;
    assert.deepEqual([errorCode, peerAddress, shardId], [code, address, 'shared']);
  }
  const other = new VectorQuicSync(a.db, 'not-a');
  t.after(() => other.close());
  const failure = next(other, 'syncError');
  other.startAutoSync('shared', a.address);
  assert.equal((await failure).errorCode, 'ERR_NODE_ID');
});

test('syncIntervalMs checks what the stream may have missed', async (t) => {
  const a = await node(t, 'a', { config: { syncIntervalMs: 20 } });
  const b = await node(t, 'b');
  a.sync.startAutoSync('shared', b.address);
  const progress = a.sync.events();
  await a.db.insert([1], undefined, { id: 'v' });
  await until(has(b.db, 'v'), 'the commit');
  const before = (await a.sync.getShardState('shared')).lastSyncAt;
  await until(async () => (await a.sync.getShardState('shared')).lastSyncAt > before, 'a full check');
  await progress.return();
});

test('after close auto-syncs are ERR_CLOSED, and bad arguments are TypeErrors', async (t) => {
  const { sync, address } = await node(t, 'a');
  for (const bad of [undefined, null, 5, {}]) {
    await fails('ERR_ARGUMENT', () => sync.startAutoSync(bad, address));
    await fails('ERR_ARGUMENT', () => sync.startAutoSync('shared', bad));
    await fails('ERR_ARGUMENT', () => sync.stopAutoSync(bad));
  }
  await sync.close();
  await fails('ERR_CLOSED', () => sync.startAutoSync('shared', address));
  await fails('ERR_CLOSED', () => sync.stopAutoSync('shared'));
  await fails('ERR_CLOSED', () => sync.stopAllAutoSyncs());
});

test('an auto-sync keeps its process alive, and once stopped lets it end', async (t) => {
  const b = await node(t, 'b');
  const actor = fileURLToPath(new URL('actors/live.mjs', import.meta.url));
  const child = spawn(process.execPath, [actor, file('live.db'), b.address, '3'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  for (let count = 1; count <= 3; count++) {
    assert.equal(child.exitCode, null, 'the process lives');
    await b.db.insert([count], undefined, { id: `v${count}` });
    while (Number((await lines.next()).value) !== count);
  }
  assert.deepEqual(await exited, [0, null]);
});

test('a session goes on in the next process, and without persistSession as well', async (t) => {
  for (const persistSession of [true, false]) {
    const b = await node(t, 'b');
    await b.db.insertBatch(Array.from({ length: 50 }, (_, index) => ({ id: `v${index}`, vector: [index] })));
    const path = file();
    const sessions = [];
    for (const expected of [50, 0]) {
      const a = await node(t, 'a', { path, config: { persistSession } });
      assert.equal((await synced(a, b)).changesApplied, expected);
      sessions.push(a.sync.getSession());
      await a.sync.close();
      await a.db.close();
    }
    const [first, second] = sessions;
    assert.deepEqual(second.versionVectors, first.versionVectors);
    assert.deepEqual(second.lastChangeIds, first.lastChangeIds);
    if (persistSession) assert.deepEqual([second.id, second.createdAt], [first.id, first.createdAt]);
  }
});
