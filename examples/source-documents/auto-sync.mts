// Second document, "Real-Time Auto-Sync".
// Adapted: the peer's address. A commit travels as it happens; the interval is a full check beside that.
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { createVectorSync } from '@agentic-flow/sqlite-vector/sync';
import { PEER, changeAtPeer } from './surroundings.mjs';

const db = await VectrDB.open();
const sync = await createVectorSync(db, 'node-1', {
  syncIntervalMs: 1000, // Sync every second
});
const changes = sync.events();

sync.startAutoSync('shard-1', PEER);

changeAtPeer();
for await (const event of changes) {
  if (event.type !== 'change' || (await db.get('news', { shardId: 'shard-1' })) === null) continue;
  console.log('the news is here:', (await db.get('news', { shardId: 'shard-1' }))?.metadata);
  break;
}
sync.stopAllAutoSyncs();
await sync.close();
await db.close();
