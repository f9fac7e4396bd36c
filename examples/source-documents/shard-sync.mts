// First document, "Usage Example": an agent's shard and a coordination server.
// Adapted: the import name, the server's address, the folder.
import { join } from 'node:path';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { VectrQuicSync } from '@agentic-flow/sqlite-vector/sync';
import { SERVER, SHARDS } from './surroundings.mjs';

// Create agent's local shard
const shard = await VectrDB.new({
  memoryMode: false,
  path: join(SHARDS, 'agent_001.db'),
});
await shard.insert(new Float32Array([0.1, 0.2, 0.3]), { text: 'seen by agent 001' });

// Initialize QUIC sync
const sync = new VectrQuicSync(shard, SERVER);

// Sync with coordination server
const result = await sync.sync('agent_001');

console.log(`Synced ${result.localVectorsSent} local vectors`);
console.log(`Received ${result.remoteVectorsReceived} remote vectors`);
console.log(`Sync latency: ${result.syncLatencyMs}ms`);

// Get QUIC transport statistics
const stats = await sync.getStats();
console.log(`Active connections: ${stats.active}`);
console.log(`Idle connections: ${stats.idle}`);

// Cleanup
await sync.close();
await shard.close();
