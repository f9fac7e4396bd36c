// What engines tell their operators: nothing, unless someone asks.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { VectorQuicSync } from '@agentic-flow/sqlite-vector';
import { fails, file, node, open, synced, until } from './support.mjs';

const LEVELS = ['error', 'warn', 'info', 'debug'];

/** A logger, and what it was told. */
function recorder(levels = LEVELS) {
  const told = [];
  const tell = (level) => (message, details) => told.push({ level, message, details });
  return { told, logger: Object.fromEntries(levels.map((level) => [level, tell(level)])) };
}

const manual = (logger, more = {}) => ({ config: { conflictStrategy: 'manual', logger, ...more } });

test('conflicts, their outcome, and who settled them are told', async (t) => {
  const { told, logger } = recorder(['info']);
  const [a, b] = [await node(t, 'a', manual(logger)), await node(t, 'b', manual())];
  for (const { db } of [a, b]) await db.insert([1], undefined, { id: 'v' });
  await synced(a, b);
  await until(() => told.length > 0, 'the message');
  const [conflict] = a.sync.getUnresolvedConflicts();
  await a.sync.resolveConflict(conflict.id, conflict.localChange);
  assert.deepEqual(
    told.map(({ level }) => level),
    ['info', 'info'],
  );
  assert.match(told[0].message, /1 conflict of shard 'shared' with '127.*': unresolved/);
  assert.deepEqual(told[0].details.vectorIds, ['v']);
  assert.match(told[1].message, new RegExp(`${conflict.id} of vector 'v' was resolved by resolveConflict`));
  assert.deepEqual(told[1].details, {
    conflictId: conflict.id,
    shardId: 'shared',
    vectorId: 'v',
    by: 'resolveConflict',
    operation: 'update',
  });
});

test('what callbacks settle, and what they throw, is told', async (t) => {
  const { told, logger } = recorder(['error', 'info']);
  const answers = [(conflict) => conflict.localChange, () => JSON.parse('{')];
  const a = await node(t, 'a', manual(logger, { onConflict: (conflict) => answers.pop()(conflict) }));
  const b = await node(t, 'b', manual());
  for (const { db } of [a, b]) await db.insert([1], undefined, { id: 'v' });
  await synced(a, b);
  const [{ message, details }] = told.filter(({ level }) => level === 'error');
  assert.match(message, /onConflict failed about vector 'v'/);
  assert.equal(details.errorCode, 'ERR_CONFLICT_CALLBACK');
  await synced(a, b);
  assert.equal(told.filter((each) => each.details.by === 'onConflict').length, 1);
});

test('peers that come and go, and syncs that fail, are told', async (t) => {
  const { told, logger } = recorder();
  const a = await node(t, 'a', { config: { logger, maxRetries: 0 } });
  const b = await node(t, 'b');
  const messages = (level, pattern) => told.filter((each) => each.level === level && pattern.test(each.message));
  a.sync.startAutoSync('shared', b.address);
  await until(() => messages('info', /live stream .* is online/).length === 1, 'online');
  await b.sync.close();
  await until(() => messages('info', /live stream .* is offline/).length === 1, 'offline');
  a.sync.stopAllAutoSyncs();
  await a.sync.sync('shared', 'no address');
  await until(() => messages('warn', /'no address' failed/).length === 1, 'the failure');
});

test('a logger that throws harms nobody', async (t) => {
  for (const broken of [
    () => {
      throw new Error('thrown by the logger');
    },
    async () => Promise.reject(new Error('rejected by the logger')),
  ]) {
    const logger = { info: broken };
    const [a, b] = [await node(t, 'a', manual(logger)), await node(t, 'b', manual())];
    for (const { db } of [a, b]) await db.insert([1], undefined, { id: 'v' });
    const warned = once(process, 'warning');
    await synced(a, b);
    const [warning] = await warned;
    assert.deepEqual([warning.name, warning.code], ['VectrListenerWarning', 'ERR_LISTENER']);
    assert.match(warning.detail, /by the logger/);
    await a.sync.close();
  }
});

test('a logger has the four functions, or is none', async (t) => {
  const db = await open(t, { path: file() });
  for (const bad of [null, 5, () => {}, {}, { info: 1 }, { log() {} }]) {
    await fails('ERR_ARGUMENT', () => new VectorQuicSync(db, 'a', { logger: bad }));
  }
  await fails('ERR_ARGUMENT', () => new VectorQuicSync(db, 'a', { logger: { inof() {} } }), /did you mean 'info'/);
  class Mine {
    info() {}
    child() {}
  }
  for (const good of [undefined, { debug() {} }, console, new Mine()]) new VectorQuicSync(db, 'a', { logger: good });
});

const actor = fileURLToPath(new URL('actors/fail.mjs', import.meta.url));

async function standardError(level) {
  const environment = { ...process.env };
  delete environment.VECTR_LOG;
  if (level !== undefined) environment.VECTR_LOG = level;
  const { stderr } = await promisify(execFile)(process.execPath, [actor], { env: environment });
  return stderr;
}

test('VECTR_LOG writes lines to standard error, and without it there is silence', async () => {
  assert.equal(await standardError(undefined), '');
  assert.equal(await standardError('error'), '');
  const failure = /^\S+Z vectr warn a sync of shard 's' with 'no address' failed: .*\{"shardId"/;
  assert.match(await standardError('warn'), failure);
  const lines = (await standardError('debug')).trim().split('\n');
  assert.ok(lines.length >= 1 && lines.every((line) => /^\S+Z vectr (warn|info|debug) /.test(line)), lines.join('\n'));
});

test('an unknown VECTR_LOG is ERR_CONFIG', async (t) => {
  const db = await open(t, { path: file() });
  t.after(() => delete process.env.VECTR_LOG);
  process.env.VECTR_LOG = 'inof';
  await fails('ERR_CONFIG', () => new VectorQuicSync(db, 'a'), /VECTR_LOG is 'inof'.*did you mean 'info'/);
});
