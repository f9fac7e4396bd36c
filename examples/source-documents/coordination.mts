// Second document, "Multi-Shard Coordination".
// Adapted: the peer's address.
import assert from 'node:assert/strict';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { createShardCoordinator } from '@agentic-flow/sqlite-vector/sync';
import { PEER } from './surroundings.mjs';

const db = await VectrDB.open();
const coordinator = await createShardCoordinator(db, 'node-1', {}, 10);

coordinator.registerPeer({
  nodeId: 'node-2',
  address: PEER,
  shards: ['shard-1', 'shard-2'],
  status: 'online',
});

const results = await coordinator.syncAll();

assert.deepEqual(results.map(({ shardId, success }) => [shardId, success]).sort(), [
  ['shard-1', true],
  ['shard-2', true],
]);
console.log(coordinator.getStats());
await coordinator.close();
await db.close();
