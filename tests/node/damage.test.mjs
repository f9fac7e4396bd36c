// Stored bytes that are no longer what was written.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { file, open } from './support.mjs';

const ROTTEN = Float32Array.of(3.25, -17.5, 0.125);

/** A database of three vectors, one component of the second of which has another bit. */
async function damaged(t) {
  const path = file();
  const db = await open(t, { path, shardId: 'notes' });
  await db.insertBatch([
    { id: 'v1', vector: [3, -17, 0], metadata: { k: 1 } },
    { id: 'v2', vector: ROTTEN, metadata: { k: 2 } },
    { id: 'v3', vector: [3, -17, 1], metadata: { k: 3 } },
  ]);
  await db.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf(Buffer.from(ROTTEN.buffer));
  assert.ok(at > 0 && bytes.indexOf(Buffer.from(ROTTEN.buffer), at + 1) < 0);
  bytes[at] ^= 1;
  writeFileSync(path, bytes);
  return open(t, { path, shardId: 'notes' });
}

test('a damaged vector is no search result, and a warning names it once', async (t) => {
  const db = await damaged(t);
  const warned = once(process, 'warning');
  const results = await db.search(ROTTEN, 3, { metric: 'euclidean' });
  assert.deepEqual(results.map(({ id }) => id), ['v1', 'v3']);
  const [warning] = await warned;
  assert.deepEqual([warning.name, warning.code], ['VectrDamageWarning', 'ERR_STORAGE']);
  assert.match(warning.message, /vector 'v2' of shard 'notes' .*write it anew/);
  let again = 0;
  const count = () => again++;
  process.on('warning', count);
  t.after(() => process.off('warning', count));
  await db.search(ROTTEN, 3);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(again, 0);
});

test('a walk gives every sound vector, and then names the damaged ones', async (t) => {
  const db = await damaged(t);
  const seen = [];
  const walk = async () => {
    for await (const { id } of db.iterate()) seen.push(id);
  };
  await assert.rejects(walk, { code: 'ERR_STORAGE', message: /vector 'v2' of shard 'notes'/ });
  assert.deepEqual(seen, ['v1', 'v3']);
});

test('an update keeps nothing of a damaged vector, which can be written anew', async (t) => {
  const db = await damaged(t);
  for (const change of [() => db.update('v2', undefined, {}), () => db.update('v2', [1, 2, 3]), () => db.get('v2')]) {
    await assert.rejects(change, { code: 'ERR_STORAGE', message: /'v2' .*write it anew/ });
  }
  await db.update('v2', [1, 2, 3], { k: 4 });
  assert.deepEqual((await db.get('v2')).metadata, { k: 4 });
});
