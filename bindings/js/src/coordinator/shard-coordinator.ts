// Keeps many shards in sync with many peers.
import { codeMethods } from '../check/coded';
import { closedError, native, nativeNow, wrongType } from '../check/error';
import { DAY_MS, checkFinite, checkInteger, checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkText } from '../check/text';
import { codeOf, messageOf } from '../check/thrown';
import type { OpenDatabase } from '../database/open-database';
import { checkId } from '../delta/name';
import { type AbortSignalLike, abortable, checkSignal, within } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { addon } from '../native/addon';
import type { NativeCoordinator, NativeSync } from '../native/native';
import type { SyncConfig } from '../sync/config';
import { type SyncHandle, syncHandleOf } from '../sync/handle';
import type { SyncResult } from '../sync/result';
import { type PoolStatistics, type ShardState, shardStateOf } from '../sync/session';
import { VectorQuicSync } from '../sync/vector-quic-sync';
import type { QuicTransportConfig } from '../transport/config';
import { BatchedRecords } from './batched-records';
import { type PeerInfo, checkPeer, peerOf, pushPeer } from './peer';
import { type Topology, checkTopology } from './topology';

/** A `VectorQuicSync`, typed by its methods so that typings of another copy of the package fit. Anything else is a
 *  TypeError at run time. */
export type OpenSync = Pick<VectorQuicSync, 'fingerprint' | 'initialize' | 'listen' | 'close'> & {
  getStats(): Promise<PoolStatistics>;
};

/** Statistics of a coordinator since its creation. */
export interface CoordinatorStats {
  /** The number of different shards of the registered peers. */
  totalShards: number;
  activeSyncs: number;
  totalSyncs: number;
  totalConflicts: number;
  avgSyncDurationMs: number;
  /** On the wire. */
  bytesSent: number;
  /** On the wire. */
  bytesReceived: number;
}

export interface WaitOptions {
  /** Ends the call early with ERR_ABORTED; applied changes stay. */
  signal?: AbortSignalLike;
  /** Milliseconds until the call ends with ERR_TIMEOUT; applied changes stay. Default: no limit. */
  timeoutMs?: number;
}

// Lets only createShardCoordinator hand an engine over.
let own: (coordinator: ShardCoordinator) => void;

/**
 * Syncs the shards of one engine with its registered peers, at most `maxConcurrentSyncs` at a time, not counting syncs
 * that are still connecting. After `close` every method fails with ERR_CLOSED. Returned objects are copies.
 */
export class ShardCoordinator {
  static {
    own = (coordinator) => {
      coordinator.#ownsSync = true;
    };
  }

  readonly #sync: VectorQuicSync;
  readonly #engine: SyncHandle;
  readonly #native: NativeCoordinator;
  // Peers and tasks that the addon does not have yet.
  readonly #peers: BatchedRecords;
  readonly #tasks: BatchedRecords;
  #topology: Topology = 'mesh';
  #ownsSync = false;
  // Counts starts and stops: a start that was overtaken while the engine opened does nothing.
  #autoSyncTurn = 0;
  #closing: Promise<void> | null = null;

  /**
   * A coordinator over `sync`, which is opened at the first use and not closed by `close`.
   *
   * @param maxConcurrentSyncs 1 to 1,024; default 5.
   */
  constructor(sync: OpenSync, maxConcurrentSyncs: number = DEFAULT_LIMIT) {
    const handle = syncHandleOf(sync);
    if (handle === undefined) throw wrongType('sync', 'a VectorQuicSync', sync);
    const limit = checkInteger('maxConcurrentSyncs', maxConcurrentSyncs, 1, 1024);
    this.#sync = sync as VectorQuicSync;
    this.#engine = handle;
    const coordinator = nativeNow(() => new addon.NativeCoordinator(limit));
    this.#native = coordinator;
    this.#peers = new BatchedRecords((names, peers) => coordinator.registerPeers(names, peers));
    this.#tasks = new BatchedRecords((names, tasks) => coordinator.schedule(names, tasks));
  }

  /** The engine. */
  get sync(): VectorQuicSync {
    return this.#sync;
  }

  /** Adds a peer, replacing one with the same nodeId. */
  registerPeer(peer: PeerInfo): void {
    this.#checkOpen();
    pushPeer(this.#peers, checkPeer('peer', peer));
  }

  /** Removes a peer, if it is registered. */
  unregisterPeer(nodeId: string): void {
    this.#checkOpen();
    const node = checkId('nodeId', nodeId);
    this.#flush();
    nativeNow(() => this.#native.unregisterPeer(node));
  }

  /** The registered peers, sorted by nodeId. */
  getPeers(): PeerInfo[] {
    this.#checkOpen();
    this.#flush();
    return this.#native.peers().map(peerOf);
  }

  /** The peers that this node syncs with under the topology, which is applied to each shard's peers. */
  getNeighbours(): PeerInfo[] {
    this.#checkOpen();
    this.#flush();
    return nativeNow(() => this.#native.neighbours(this.#engine.nodeId)).map(peerOf);
  }

  /** Sets which peers `syncAll`, `syncShard` and `startAutoSyncAll` choose. Default: 'mesh'. */
  setTopology(topology: Topology): void {
    this.#checkOpen();
    const chosen = checkTopology('topology', topology);
    nativeNow(() => this.#native.setTopology(chosen));
    this.#topology = chosen;
  }

  getTopology(): Topology {
    this.#checkOpen();
    return this.#topology;
  }

  /** Adds a task for `executeTasks`. Higher priorities, any finite numbers, run first, equal ones in order; default 0. */
  scheduleSyncTask(shardId: string, peerAddress: string, priority: number = 0): void {
    this.#checkOpen();
    const shard = checkId('shardId', shardId);
    const address = checkText('peerAddress', peerAddress);
    const urgency = checkFinite('priority', priority)!;
    this.#tasks.name(shard).name(address).number(urgency).end();
  }

  /** Runs all scheduled tasks; resolves to their results, in the scheduled order. */
  async executeTasks(options?: WaitOptions): Promise<SyncResult[]> {
    return await this.#run(options, 'scheduled');
  }

  /** Syncs each neighbour's shards with it, with priority 1. */
  async syncAll(options?: WaitOptions): Promise<SyncResult[]> {
    return await this.#run(options, 'all');
  }

  /** Syncs all shards of one peer, with priority 2. ERR_UNKNOWN_PEER if no peer has the address. */
  async syncWithPeer(peerAddress: string, options?: WaitOptions): Promise<SyncResult[]> {
    const address = checkText('peerAddress', peerAddress);
    return await this.#run(options, 'peer', address);
  }

  /** Syncs one shard with each neighbour that has it, with priority 5. */
  async syncShard(shardId: string, options?: WaitOptions): Promise<SyncResult[]> {
    const shard = checkId('shardId', shardId);
    return await this.#run(options, 'shard', shard);
  }

  /** The state of each shard of the database. */
  async getAllShardStates(): Promise<ShardState[]> {
    this.#checkOpen();
    const engine = await this.#engine.ready();
    this.#checkOpen();
    return (await native(this.#native.shardStates(engine))).map(shardStateOf);
  }

  /**
   * Keeps each neighbour's shards in sync from now on, live; `intervalMs` adds periodic full checks, 0 for none.
   * Failures are 'syncError' events of the engine. Keeps the process alive.
   */
  startAutoSyncAll(intervalMs: number): void {
    this.#checkOpen();
    const interval = checkInteger('intervalMs', intervalMs, 0, DAY_MS);
    this.#engine.checkOpen();
    this.#flush();
    this.#engine.processRef.add(this);
    void this.#startAutoSyncAll(interval, ++this.#autoSyncTurn);
  }

  /** Ends the auto-syncs of `startAutoSyncAll`. */
  stopAutoSyncAll(): void {
    this.#checkOpen();
    this.#stopAutoSyncAll();
  }

  getStats(): CoordinatorStats {
    this.#checkOpen();
    this.#flush();
    return this.#native.statistics();
  }

  getPendingTasksCount(): number {
    this.#checkOpen();
    this.#flush();
    return this.#native.pendingTasks;
  }

  getActiveSyncsCount(): number {
    this.#checkOpen();
    return this.#native.activeSyncs;
  }

  /** Drops the tasks that have not started. */
  clearPendingTasks(): void {
    this.#checkOpen();
    this.#tasks.clear();
    this.#native.clearPendingTasks();
  }

  /** Makes one round trip to each peer, without a sync. Maps each nodeId to whether the peer answered. */
  async healthCheck(options?: WaitOptions): Promise<Map<string, boolean>> {
    this.#checkOpen();
    this.#flush();
    const { timeoutMs, signal } = checkWait(options);
    return await within(timeoutMs, signal, (limited) =>
      abortable(limited, async (cancellation) => {
        const engine = await this.#engine.ready();
        this.#checkOpen();
        return new Map(await native(this.#native.healthCheck(engine, cancellation)));
      }),
    );
  }

  /** Stops everything, and closes the engine if createShardCoordinator made it. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `await using` closes. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(
    options: WaitOptions | undefined,
    what: Assignment,
    name?: string,
  ): Promise<SyncResult[]> {
    this.#checkOpen();
    this.#engine.checkOpen();
    const { timeoutMs, signal } = checkWait(options);
    this.#flush();
    return await within(timeoutMs, signal, (limited) =>
      this.#engine.run(limited, (engine, cancellation) => {
        // Closed while the engine opened: the addon would start again.
        this.#checkOpen();
        return this.#native.run(engine, what, name, cancellation);
      }),
    );
  }

  async #startAutoSyncAll(interval: number, turn: number): Promise<void> {
    let engine: NativeSync | null = null;
    try {
      engine = await this.#engine.ready();
      const opened = engine;
      if (turn === this.#autoSyncTurn) nativeNow(() => this.#native.startAutoSyncAll(opened, interval));
    } catch (error) {
      if (turn !== this.#autoSyncTurn) return;
      // A malformed address does not keep the others from starting.
      if (engine === null) this.#engine.processRef.delete(this);
      this.#engine.hub.report({ error: messageOf(error), errorCode: codeOf(error) ?? 'ERR_STORAGE' });
    }
  }

  #stopAutoSyncAll(): void {
    this.#autoSyncTurn++;
    this.#engine.processRef.delete(this);
    nativeNow(() => this.#native.stopAutoSyncAll());
  }

  async #close(): Promise<void> {
    this.#peers.clear();
    this.#tasks.clear();
    this.#stopAutoSyncAll();
    await native(this.#native.close());
    if (this.#ownsSync) await this.#sync.close();
  }

  #flush(): void {
    this.#peers.flush();
    this.#tasks.flush();
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw closedError('the coordinator', 'make a new one');
  }
}

codeMethods(ShardCoordinator);

/**
 * A coordinator over an engine of its own, which is initialized, and closed with it.
 *
 * ERR_NODE_ID if the database has another name, ERR_CONFIG for an identity that cannot be read or created.
 */
export async function createShardCoordinator(
  db: OpenDatabase,
  nodeId: string,
  config?: Partial<SyncConfig>,
  maxConcurrentSyncs?: number,
  quicConfig?: QuicTransportConfig,
): Promise<ShardCoordinator> {
  const sync = new VectorQuicSync(db, nodeId, config);
  const coordinator = new ShardCoordinator(sync, maxConcurrentSyncs);
  own(coordinator);
  await sync.initialize(quicConfig);
  return coordinator;
}

type Assignment = Parameters<NativeCoordinator['run']>[1];

function checkWait(options: unknown): WaitOptions {
  const { signal, timeoutMs } = checkOptions<WaitOptions>('options', options, ['signal', 'timeoutMs']);
  return {
    signal: checkSignal('options.signal', signal),
    timeoutMs: checkOptionalInteger('options.timeoutMs', timeoutMs, 1, DAY_MS),
  };
}

const DEFAULT_LIMIT = 5;
