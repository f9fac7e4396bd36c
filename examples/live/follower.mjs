// The other process: follows a shard, and notes for each vector how long it took to get here.
import { createVectorSync, VectrDB } from '@agentic-flow/sqlite-vector';

const [path, address] = process.argv.slice(2);
const db = await VectrDB.open({ path, shardId: 'phrases' });
const sync = await createVectorSync(db, 'follower');
let seen = 0;

const following = follow();
sync.startAutoSync('phrases', address);

process.once('message', async () => {
  process.send(await db.digest());
  await sync.close();
  await following;
  await db.close();
  process.disconnect();
});

async function follow() {
  for await (const event of sync.events()) {
    if (event.type === 'peer' && event.status === 'online') process.send('online');
    if (event.type === 'change') await note(event);
  }
}

/** Change events of one peer are put together while nobody takes them: the span says which rows they are about. */
async function note({ toChangeId }) {
  const rows = await db.query(
    'SELECT vector_id AS id, metadata FROM vector_changelog WHERE change_id > ? AND change_id <= ?', [seen, toChangeId]);
  const here = performance.timeOrigin + performance.now();
  seen = toChangeId;
  for (const { id, metadata } of rows) {
    const known = JSON.parse(metadata);
    if (known.delayMs === undefined) await db.update(id, undefined, { ...known, delayMs: here - known.writtenAt });
  }
}
