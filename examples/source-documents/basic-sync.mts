// Second document, "Basic Sync".
// Adapted: the peer's address.
import assert from 'node:assert/strict';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { createVectorSync } from '@agentic-flow/sqlite-vector/sync';
import { PEER } from './surroundings.mjs';

const db = await VectrDB.open();
await db.insert([0.5, 0.5], { text: 'from node 1' }, { shardId: 'shard-1' });

const sync = await createVectorSync(db, 'node-1', {
  conflictStrategy: 'last-write-wins',
  batchSize: 100,
  compression: true,
});

const result = await sync.sync('shard-1', PEER);

assert.ok(result.success, result.error);
console.log(`sent ${result.changesSent}, applied ${result.changesApplied}, ${result.durationMs.toFixed(1)} ms`);
await sync.close();
await db.close();
