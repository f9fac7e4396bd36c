// What the Node tests share: folders and handles that go away after their test, real vectors, and expected failures.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';

const scratch = mkdtempSync(join(tmpdir(), 'vectr-node-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

// Proofs of continuity lie in the memory of a computer; those of tests must not stay there.
if (process.env.VECTR_RUNTIME_DIR === undefined && existsSync('/dev/shm')) {
  const runtime = mkdtempSync('/dev/shm/vectr-node-');
  process.env.VECTR_RUNTIME_DIR = runtime;
  after(() => rmSync(runtime, { recursive: true, force: true }));
}

/** A new folder, removed at the end. */
export function folder() {
  return mkdtempSync(join(scratch, 'case-'));
}

/** A path in a new folder. */
export function file(name = 'shard.db') {
  return join(folder(), name);
}

/** An open database, closed after the test. */
export async function open(t, options) {
  const db = await VectrDB.open(options);
  t.after(() => db.close());
  return db;
}

/** An initialized engine, closed after the test. It does not wait before it tries again. */
export async function engine(t, db, name, config = {}, quicConfig = undefined) {
  const sync = new VectorQuicSync(db, name, { retryBackoffMs: 1, ...config });
  t.after(() => sync.close());
  await sync.initialize(quicConfig);
  return sync;
}

/** A database in a file and its engine, listening on a free port of this machine. */
export async function node(t, name, { config, quicConfig, path = file(`${name}.db`), shardId = 'shared' } = {}) {
  const db = await open(t, { path, nodeId: name, shardId });
  const sync = await engine(t, db, name, config, quicConfig);
  const address = await sync.listen('127.0.0.1:0');
  return { db, sync, address, path, name };
}

const phrases = readFileSync(new URL('../../examples/data/phrases-6k-384.f32', import.meta.url));

/** How many real embeddings there are, and their length. */
export const PHRASES = 6000;
export const DIMENSIONS = 384;

/** A real embedding, 0 to 5,999. */
export function phrase(index) {
  const start = index * DIMENSIONS * 4;
  return new Float32Array(
    phrases.buffer.slice(phrases.byteOffset + start, phrases.byteOffset + start + DIMENSIONS * 4),
  );
}

/** Items for insertBatch: `count` real embeddings from `first` on, with ids `p0`, `p1`, ... and metadata. */
export function phraseItems(count, first = 0) {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    return { id: `p${number}`, vector: phrase(number % PHRASES), metadata: { number } };
  });
}

/** Expects a rejection, or a throw, with this code; returns the error. */
export async function fails(code, work, message = /./) {
  let error;
  try {
    await work();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, `expected ${code}, but nothing failed`);
  assert.ok(error instanceof Error, `expected ${code}, but ${String(error)} is no Error`);
  assert.equal(error.code, code, error.stack);
  assert.match(error.message, message);
  assert.match(error.stack, /\.mjs/, 'the stack leads to the caller');
  return error;
}

/** Resolves when `condition` holds; looks again whenever the event loop comes round. */
export async function until(condition, what) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `${what} did not come about within 30 s`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** All that a shard shows, for comparison bit by bit. */
export async function content(db, shardId) {
  const shown = [];
  for await (const { id, vector, metadata, timestamp } of db.iterate({ shardId, includeVectors: true })) {
    shown.push({ id, bits: Buffer.from(vector.buffer).toString('hex'), metadata, timestamp });
  }
  return shown;
}

/** Syncs, and expects success. */
export async function synced(from, to, shardId = 'shared', force = false) {
  const result = await from.sync.sync(shardId, to.address, force);
  assert.ok(result.success, `${result.errorCode}: ${result.error}`);
  return result;
}
