// Live sync: one agent writes, and another process has each vector a moment later, without asking for it. What the other
// one notes about it comes back over the same stream.
import { strict as assert } from 'node:assert';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createVectorSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { embeddings } from '../demo/embeddings.mjs';

const COUNT = 50;
const folder = await mkdtemp(join(tmpdir(), 'vectr-live-'));
const db = await VectrDB.open({ path: join(folder, 'writer.db'), shardId: 'phrases' });
const sync = await createVectorSync(db, 'writer');

try {
  const address = await sync.listen('127.0.0.1:0');
  const follower = fork(new URL('follower.mjs', import.meta.url), [join(folder, 'follower.db'), address]);
  const noted = allNoted();
  await once(follower, 'message');
  console.log(`follower is live with ${address}`);

  for (const { id, vector, metadata } of embeddings(0, COUNT)) {
    await db.upsert(id, vector, { ...metadata, writtenAt: performance.timeOrigin + performance.now() });
    await pause(5);
  }
  await noted;
  const delays = await Promise.all(embeddings(0, COUNT).map(async ({ id }) => (await db.get(id)).metadata.delayMs));
  delays.sort((a, b) => a - b);
  console.log(`${COUNT} vectors: visible at the other process after ${delays[COUNT / 2].toFixed(1)} ms in the middle,`
    + ` ${delays[COUNT - 1].toFixed(1)} ms at most`);

  const gone = once(follower, 'exit');
  follower.send('close');
  const [digest] = await once(follower, 'message');
  assert.equal(digest, await db.digest());
  const [code] = await gone;
  assert.equal(code, 0);
  console.log(`digest of both: ${digest.slice(0, 32)}…`);
} finally {
  await sync.close();
  await db.close();
  await rm(folder, { recursive: true, force: true });
}

/** Resolves once the follower has noted something about each vector. */
async function allNoted() {
  for await (const { type } of sync.events()) {
    if (type !== 'change') continue;
    const [{ noted }] = await db.query(
      `SELECT count(*) AS noted FROM vectors WHERE json_extract(metadata, '$.delayMs') IS NOT NULL`);
    if (noted === COUNT) return;
  }
}
