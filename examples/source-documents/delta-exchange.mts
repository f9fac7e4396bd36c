// First document, "Shard Synchronization API" and "Delta Computation": deltas as messages over a QuicTransport.
// Adapted: the constructor cannot await, so a static method does; a delta says itself where the next one begins, where
// the document took the wall clock and lost what was written meanwhile; the answer comes back to the request.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Delta, QuicTransport, VectrDB, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';
import { SHARDS } from './surroundings.mjs';

/** What a delta message carries. */
interface Payload {
  delta: Uint8Array;
}

class DeltaSync {
  #since = 0;

  private constructor(
    private readonly db: VectrDB,
    private readonly transport: QuicTransport,
    private readonly serverAddress: string,
  ) {}

  static async create(db: VectrDB, serverAddress: string): Promise<DeltaSync> {
    const transport = await QuicTransport.create({ enable0Rtt: true, maxConcurrentStreams: 50 });
    return new DeltaSync(db, transport, serverAddress);
  }

  async sync(shardId: string): Promise<{ sent: number; received: number }> {
    const delta = await computeDelta(this.db, this.#since, { shardId });
    const response = await this.transport.request(this.serverAddress, {
      id: `sync-${shardId}-${Date.now()}`,
      type: 'coordination',
      payload: { operation: 'shard_sync', shardId, delta: delta.serialize() },
      metadata: { source: shardId, vectorCount: delta.vectorCount },
    });
    const remote = Delta.deserialize((response.payload as Payload).delta);
    await applyDelta(this.db, remote, { shardId });
    // Only now: had the request failed, the next one would begin where this one did.
    this.#since = delta.timestamp;
    return { sent: delta.vectorCount, received: remote.vectorCount };
  }

  close(): Promise<void> {
    return this.transport.close();
  }
}

const [agent, server] = await Promise.all(
  ['delta-agent', 'delta-server'].map((name) => VectrDB.open({ path: join(SHARDS, `${name}.db`), shardId: 'notes' })),
) as [VectrDB, VectrDB];

// The server's side, which the document leaves out: what the agent has sent is not sent back.
const answering = await QuicTransport.create();
let since = 0;
answering.onMessage(async (_address, message) => {
  const theirs = Delta.deserialize((message.payload as Payload).delta);
  await applyDelta(server, theirs);
  const ours = await computeDelta(server, since, { answerTo: theirs });
  since = ours.timestamp;
  return { id: `answer-${message.id}`, type: 'result', payload: { delta: ours.serialize() } };
});
const address = await answering.listen(0);

await agent.upsert('a', [1, 0], { by: 'agent' });
await server.upsert('b', [0, 1], { by: 'server' });
const sync = await DeltaSync.create(agent, address);
assert.deepEqual(await sync.sync('notes'), { sent: 1, received: 1 });
await agent.update('b', undefined, { by: 'both' });
// What the agent got from the server goes back once with what it has written.
assert.deepEqual(await sync.sync('notes'), { sent: 1, received: 0 });
assert.deepEqual(await sync.sync('notes'), { sent: 0, received: 0 });
assert.equal(await agent.digest(), await server.digest());
console.log(`both hold ${await server.count()} vectors, digest ${(await server.digest()).slice(0, 16)}…`);

await sync.close();
await answering.close();
await Promise.all([agent.close(), server.close()]);
