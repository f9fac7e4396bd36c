// How users write against the package: this compiles, and each marked line must not.
import {
  ChangelogReader,
  type Logger,
  type SearchResult,
  ShardCoordinator,
  type SyncConfig,
  type SyncConflict,
  type SyncResult,
  VectorQuicSync,
  VectrDB,
  VectrError,
  VectrQuicSync,
  applyDelta,
  computeDelta,
  createShardCoordinator,
  createVectorSync,
} from '@agentic-flow/sqlite-vector';
import {
  ConflictResolver,
  Delta,
  type DeltaColumns,
  DeltaEncoder,
  type Operation,
  type VectorChange,
  type VectorDelta,
  VersionVector,
  decodeColumns,
  encodeColumns,
  initialize,
  resolveConflicts,
  resolveDeltas,
} from '@agentic-flow/sqlite-vector/delta';

export async function database(): Promise<SearchResult[]> {
  const db = await VectrDB.open({ path: 'a.db', dimensions: 3 });
  const id: string = await db.insert([1, 2, 3], { text: 'x' }, { id: 'a' });
  await db.insertBatch([{ vector: new Float32Array(3) }, { id, vector: [1, 2, 3], metadata: {} }]);
  const entry = await db.get(id);
  const timestamp: number = entry?.timestamp ?? 0;
  for await (const { vector } of db.iterate({ includeVectors: true })) vector?.fill(timestamp);
  const sum: number = await db.transaction(async (tx) => {
    await tx.delete(id);
    // @ts-expect-error: a transaction cannot be closed from within
    await tx.close();
    return 1;
  });
  const rows: Array<Record<string, unknown>> = await db.query('SELECT ?', [sum, null, 1n]);
  await db.close();
  // @ts-expect-error: no such option
  await VectrDB.open({ file: 'a.db' });
  // @ts-expect-error: no such metric
  await db.search([1], 5, { metric: 'manhattan' });
  // @ts-expect-error: no vector
  await db.insert('1,2,3');
  return db.search([1, 2, 3], rows.length, { metric: 'dot', threshold: 0.5 });
}

export async function sync(db: VectrDB): Promise<SyncResult> {
  const config: Partial<SyncConfig> = { conflictStrategy: 'merge' };
  const engine: VectorQuicSync = await createVectorSync(db, 'node-1', config, { tls: { pinnedFingerprints: [] } });
  engine.pinPeer(engine.fingerprint);
  const removed: boolean = engine.unpinPeer(engine.pinnedFingerprints[0] ?? '');
  const address: string = await engine.listen();
  const versions: Map<string, number> = (await engine.getShardState('s')).versionVector;
  // @ts-expect-error: no such strategy
  new VectorQuicSync(db, 'node-1', { conflictStrategy: 'newest' });
  try {
    return await engine.sync('s', address, removed, {
      onProgress: ({ sent, received }) => void (sent + received + versions.size),
    });
  } catch (error) {
    if (error instanceof VectrError) void error.code.length;
    throw error;
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

export async function conflicts(db: VectrDB, logger: Logger): Promise<SyncConflict[]> {
  const sync = new VectorQuicSync(db, 'node-1', {
    conflictStrategy: 'manual',
    onConflict: async ({ versions, localChange }) => (versions?.length === 2 ? localChange : null),
    logger,
  });
  for (const { id, remoteChange } of sync.getUnresolvedConflicts()) await sync.resolveConflict(id, remoteChange);
  await sync.resolveConflict('id', { shardId: 's', vectorId: 'v', operation: 'delete' });
  // @ts-expect-error: of which vector?
  await sync.resolveConflict('id', { operation: 'delete' });
  // @ts-expect-error: no conflict is settled by a word
  new VectorQuicSync(db, 'node-1', { onConflict: () => 'local' });
  return sync.getUnresolvedConflicts('s');
}

export async function live(sync: VectorQuicSync): Promise<number> {
  let total = 0;
  const onChange = ({ changes }: { changes: number }): void => void (total += changes);
  sync
    .on('change', onChange)
    .once('conflict', async ({ outcome, vectorIds }) => void [outcome === 'resolved', vectorIds.length])
    .on('syncError', ({ errorCode, shardId }) => void (errorCode + (shardId ?? '')))
    .off('change', onChange);
  // @ts-expect-error: no such event
  sync.on('error', () => {});
  sync.startAutoSync('s', 'localhost:4433');
  for await (const event of sync.events()) {
    if (event.type === 'change') total += event.toChangeId - event.afterChangeId;
    // @ts-expect-error: only once it is known what happened
    if (event.changes === 0) break;
    if (event.type === 'peer' && event.status === 'offline') break;
  }
  sync.stopAllAutoSyncs();
  return total;
}

export async function coordinator(db: VectrDB, sync: VectorQuicSync): Promise<number> {
  const coordinator = await createShardCoordinator(db, 'node-1', {}, 5);
  coordinator.registerPeer({ nodeId: 'b', address: 'localhost', shards: ['s'], status: 'unknown' });
  coordinator.setTopology('ring');
  // @ts-expect-error: no such topology
  coordinator.setTopology('bus');
  coordinator.scheduleSyncTask('s', 'localhost', 7);
  const results: SyncResult[] = await coordinator.executeTasks();
  const alive: Map<string, boolean> = await coordinator.healthCheck();
  await coordinator.close();
  return new ShardCoordinator(sync).getStats().totalSyncs + results.length + alive.size;
}

export function deltas(changes: VectorChange[]): Uint8Array {
  const encoded: VectorDelta = DeltaEncoder.encode('s', changes, 'lz4');
  const columns: DeltaColumns = decodeColumns(DeltaEncoder.serialize(encoded));
  const { resolved, conflicts } = new ConflictResolver('merge').resolveAll(changes, DeltaEncoder.decode(encoded));
  for (const { id, versions } of conflicts) void (id.length + (versions?.length ?? 0) + resolved.length);
  const whole = Delta.deserialize(encodeColumns(columns, 'none'));
  const first: Operation | undefined = resolveConflicts(whole.operations, [], 'merge-vectors')[0];
  const relation: 'before' | 'after' | 'equal' | 'concurrent' = VersionVector.relation(new Map(), new Map());
  void [first?.vector, relation];
  // @ts-expect-error: no such strategy
  new ConflictResolver('newest');
  // @ts-expect-error: no such compression
  DeltaEncoder.encode('s', changes, 'gzip');
  // @ts-expect-error: no delta
  new Delta('bytes');
  return resolveDeltas(whole.serialize(), whole.serialize(), 'manual');
}

export async function load(): Promise<void> {
  await initialize();
  await initialize('https://example.com/delta.wasm');
  await initialize(new Uint8Array(8));
  // @ts-expect-error: no source
  await initialize(5);
}

export async function firstDocument(db: VectrDB): Promise<number> {
  const sync = new VectrQuicSync(db, 'coordination-server.local', { quicConfig: { tls: { pinnedFingerprints: [] } } });
  const { localVectorsSent, remoteVectorsReceived, syncLatencyMs } = await sync.sync('agent_001');
  await sync[Symbol.asyncDispose]();
  const delta: Delta = await computeDelta(db, Date.now(), { shardId: 's', maxVectors: 5 });
  const answer: Delta = await computeDelta(db, delta.timestamp, { answerTo: Delta.deserialize(delta.serialize()) });
  await applyDelta(db, answer, { shardId: 's' });
  // @ts-expect-error: a delta, no bytes
  await applyDelta(db, answer.serialize());
  // @ts-expect-error: no such option
  await computeDelta(db, 0, { shard: 's' });
  const reader = new ChangelogReader(db);
  const changes: VectorChange[] = await reader.readChanges('s', 0, await reader.getLatestChangeId('s'));
  await reader.updateVersionVector('s', await reader.getVersionVector('s'));
  return localVectorsSent + remoteVectorsReceived + syncLatencyMs + changes.length;
}
