// One agent of the mesh: a process with a database file of several shards, told what to do by messages of main.mjs.
import { createShardCoordinator, VectrDB } from '@agentic-flow/sqlite-vector';
import { embeddings } from '../demo/embeddings.mjs';
import { obey } from '../demo/obey.mjs';

const [path, nodeId] = process.argv.slice(2);
const db = await VectrDB.open({ path });
const coordinator = await createShardCoordinator(db, nodeId);

obey({
  listen: () => coordinator.sync.listen('127.0.0.1:0'),
  meet: (peers) => peers.forEach((peer) => coordinator.registerPeer(peer)),
  arrange: (topology) => {
    coordinator.setTopology(topology);
    return coordinator.getNeighbours().map((peer) => peer.nodeId);
  },
  // Everyone also edits what everyone has: those are the conflicts.
  write: async (shardId, start, count) => {
    const items = embeddings(start, count).map((item) => ({ ...item, id: `${shardId}: ${item.id}` }));
    await db.insertBatch(items, { shardId });
    await db.upsert(`${shardId}: last writer`, items[0].vector, { by: nodeId }, { shardId });
  },
  syncAll: () => coordinator.syncAll(),
  digests: async () => (await Promise.all((await db.shards()).map((shard) => db.digest(shard)))).join(' '),
  count: async () => {
    const counts = await Promise.all((await db.shards()).map((shardId) => db.count({ shardId })));
    return counts.reduce((sum, count) => sum + count);
  },
  statistics: () => coordinator.getStats(),
  close: async () => {
    await coordinator.close();
    await db.close();
  },
}, coordinator.sync.fingerprint);
