// Keeps a shard in step with the peer of its arguments, tells how many vectors it has after each change, and stops at a
// number of them: then nothing is left that keeps the process alive.
import { VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';

const [path, peerAddress, end] = process.argv.slice(2);
const db = await VectrDB.open({ path, shardId: 'shared' });
const sync = new VectorQuicSync(db, 'live', { retryBackoffMs: 1 });
sync.startAutoSync('shared', peerAddress);
sync.on('change', async () => {
  const count = await db.count();
  console.log(count);
  if (count === Number(end)) sync.stopAutoSync('shared');
});
