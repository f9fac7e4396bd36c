// The documented surface, all of it: what the package exports must be assignable to this, which surface.ts proves.

// What the declarations below need of an AbortSignal, for a library without DOM and Node.
interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
}

export type ChangeOperation = 'insert' | 'update' | 'delete';
export type ConflictStrategy = 'last-write-wins' | 'first-write-wins' | 'merge' | 'manual';
export type Compression = 'none' | 'msgpack' | 'lz4' | 'zstd';
export type Metadata = Record<string, unknown>;

export interface VectorChange {
  /** Local change id: grows with every change that this database applies. */
  id: number;
  operation: ChangeOperation;
  shardId: string;
  vectorId: string;
  /** Absent for a delete. */
  vector?: Float32Array;
  metadata?: Metadata;
  /** Hybrid logical clock, whole microseconds since the Unix epoch. */
  timestamp: number;
  /** The name of the node that made the change. */
  sourceNode: string;
  /** Causal history of this vector, this change included: for each site the newest change of its that is covered.
   *  Keys that a database hands out are sites, `name@16hex`; functions over objects take any string as a key. */
  versionVector: Map<string, number>;
  /** The change's own number. Absent in hand-made changes: (sourceNode, versionVector.get(sourceNode)). */
  dot?: { site: string; seq: number };
}

export interface VectorDelta {
  shardId: string;
  fromChangeId: number; // inclusive
  toChangeId: number;   // inclusive
  changes: VectorChange[];
  /** Covers every field of every change, before compression: equal content has an equal checksum everywhere. */
  checksum: string;
  /** 'msgpack' is the documented name for uncompressed MessagePack. zstd is written in Node; read in a browser with the optional decoder, else ERR_CODEC. */
  compression: Compression;
}

export interface SyncConflict {
  /** Hash of shard, vector and the versions' dots: the same on every node. */
  id: string;
  shardId: string;
  vectorId: string;
  /** The last-write-wins winner, and the runner-up. */
  localChange: VectorChange;
  remoteChange: VectorChange;
  /** All concurrent versions, in (timestamp, site, seq) order. */
  versions?: VectorChange[];
  /** Microseconds since the Unix epoch. */
  detectedAt: number;
}

export class DeltaEncoder {
  /** Throws ERR_EMPTY_DELTA for no changes. */
  static encode(shardId: string, changes: VectorChange[], compression?: Compression): VectorDelta;
  /** Throws ERR_CHECKSUM when any field was altered. */
  static decode(delta: VectorDelta): VectorChange[];
  static serialize(delta: VectorDelta): Uint8Array;
  static deserialize(bytes: Uint8Array): VectorDelta;
  static batch(changes: VectorChange[], batchSize: number): VectorChange[][];
  /** Drops the changes that a later one of the same delta has superseded. */
  static optimize(changes: VectorChange[]): VectorChange[];
}

export class VersionVector {
  /** -1: a happened before b; 1: b happened before a; 0: equal or concurrent (use relation() to tell). */
  static compare(a: Map<string, number>, b: Map<string, number>): -1 | 0 | 1;
  static relation(a: Map<string, number>, b: Map<string, number>): 'before' | 'after' | 'equal' | 'concurrent';
  static merge(a: Map<string, number>, b: Map<string, number>): Map<string, number>;
  static increment(vv: Map<string, number>, nodeId: string): Map<string, number>;
}

export class ConflictResolver {
  constructor(strategy?: ConflictStrategy);
  /** The same winner whichever side is called local: two nodes never disagree. */
  resolve(local: VectorChange, remote: VectorChange): { winner: VectorChange; conflict?: SyncConflict };
  /** Groups all versions of a vector before it decides: the order of the arguments changes nothing. */
  resolveAll(local: VectorChange[], remote: VectorChange[]): { resolved: VectorChange[]; conflicts: SyncConflict[] };
  setStrategy(strategy: ConflictStrategy): void;
}

export class ConflictTracker {
  addConflict(conflict: SyncConflict): void;
  getUnresolved(): SyncConflict[];
  getForShard(shardId: string): SyncConflict[];
  resolveConflict(conflictId: string, winner: VectorChange): void;
  clear(): void;
  count(): number;
}

// The functional form of the first source document.
export interface Operation {
  type: ChangeOperation;
  vectorId: string;
  vector?: Float32Array;
  metadata?: unknown;
  timestamp: number;
}
export interface Conflict {
  vectorId: string;
  localVersion: number;
  remoteVersion: number;
  resolution: 'local_wins' | 'remote_wins' | 'merge';
}
export type ConflictResolutionStrategy = 'last-write-wins' | 'first-write-wins' | 'merge-vectors' | 'manual';
/** Throws ERR_MANUAL_RESOLUTION naming the number of conflicts under 'manual'. */
export function resolveConflicts(local: Operation[], remote: Operation[], strategy?: ConflictResolutionStrategy): Operation[];
export class Delta {
  readonly timestamp: number;
  readonly vectorCount: number;
  readonly operations: Operation[];
  readonly conflicts: Conflict[];
  serialize(): Uint8Array;
  static deserialize(bytes: Uint8Array): Delta;
}

export type DistanceMetric = 'cosine' | 'euclidean' | 'dot';
export interface VectrDBOptions {
  /** A file; missing parent folders are made. Neither path nor memoryMode: in memory. Both: ERR_ARGUMENT. */
  path?: string;
  memoryMode?: boolean;
  /** The shard that calls without one mean. Default: what the file recorded, else the file's stem, 'default' in memory. */
  shardId?: string;
  /** Default: what the file recorded, else unnamed until a sync names it. Another name than the recorded one: ERR_NODE_ID. */
  nodeId?: string;
  /** 1..65,536; fixed by the first insert where it is not given. */
  dimensions?: number;
}
export interface SearchResult { id: string; distance: number; similarity: number; metadata?: Metadata; vector?: Float32Array }

export class VectrDB {
  /** `new` is a static method in the source documents; `open` is the same under a usual name. */
  static new(options?: VectrDBOptions): Promise<VectrDB>;
  static open(options?: VectrDBOptions): Promise<VectrDB>;
  readonly path: string | null;
  readonly nodeId: string | null;
  readonly shardId: string;
  /** Resolves to the vector's id: the one given (1..1,024 bytes), else a new UUIDv7. A live id: ERR_EXISTS.
   *  Metadata: a plain JSON object of at most 256 KiB, else ERR_ARGUMENT. NaN or infinity: ERR_VECTOR. */
  insert(vector: Float32Array | number[], metadata?: Metadata, options?: { id?: string; shardId?: string }): Promise<string>;
  upsert(id: string, vector: Float32Array | number[], metadata?: Metadata, options?: { shardId?: string }): Promise<void>;
  /** All or nothing. */
  insertBatch(items: Array<{ id?: string; vector: Float32Array | number[]; metadata?: Metadata }>, options?: { shardId?: string }): Promise<string[]>;
  /** Rejects with ERR_NOT_FOUND for an unknown id. A vector or metadata that is left out stays; given metadata replaces. */
  update(id: string, vector?: Float32Array | number[], metadata?: Metadata, options?: { shardId?: string }): Promise<void>;
  delete(id: string, options?: { shardId?: string }): Promise<boolean>;
  /** The view of the shard's strategy over the concurrent versions; `conflicted` while 'manual' has more than one. */
  get(id: string, options?: { shardId?: string }): Promise<{ id: string; vector: Float32Array; metadata?: Metadata; timestamp: number; conflicted: boolean } | null>;
  /** k: default 10. metric: default cosine. threshold: the least similarity (cosine; 1/(1+d) for euclidean; the product for dot). */
  search(query: Float32Array | number[], k?: number, options?: { shardId?: string; metric?: DistanceMetric; threshold?: number; includeVectors?: boolean; signal?: AbortSignal }): Promise<SearchResult[]>;
  /** Every live vector of a shard, in the order of ids, from one consistent snapshot. */
  iterate(options?: { shardId?: string; includeVectors?: boolean }): AsyncIterable<{ id: string; vector?: Float32Array; metadata?: Metadata; timestamp: number }>;
  count(options?: { shardId?: string }): Promise<number>;
  shards(): Promise<string[]>;
  /** One read-only SQL statement over the documented tables and views (`PRAGMA integrity_check` too); rows as plain
   *  objects, BLOBs as Uint8Array. Anything that writes or attaches is refused. */
  query(sql: string, params?: unknown[]): Promise<Array<Record<string, unknown>>>;
  /** The safe form: commits when `work` resolves, rolls back when it rejects. Only calls on `tx` belong to it. */
  transaction<T>(work: (tx: Pick<VectrDB, 'insert' | 'upsert' | 'insertBatch' | 'update' | 'delete' | 'get'>) => Promise<T>): Promise<T>;
  /** The documented form, for one flow of control: a second begin is ERR_TRANSACTION, and so is a commit without one.
   *  While one is open, an arriving sync waits for a bounded time, then fails with ERR_BUSY. */
  beginTransaction(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** A consistent copy of the file while it is in use. */
  backup(path: string): Promise<void>;
  /** Order-independent fingerprint of a shard's whole content: equal on two nodes exactly when they hold the same. */
  digest(shardId?: string): Promise<string>;
  close(): Promise<void>;
}

/** All that was applied here after `sinceTimestamp`, which is compared with the time of local application (strictly
 *  increasing), never with a change's own timestamp: passing on the last Delta's `timestamp` loses nothing. A number
 *  below 10^14 is read as milliseconds (Date.now()), else as microseconds. The bytes carry dots and contexts. */
export function computeDelta(db: VectrDB, sinceTimestamp: number, options?: { shardId?: string }): Promise<Delta>;
/** Joins: applying twice, or in another order, changes nothing. */
export function applyDelta(db: VectrDB, delta: Delta, options?: { shardId?: string }): Promise<void>;

export class ChangelogReader {
  constructor(db: VectrDB);
  /** After `fromChangeId`, up to and including `toChangeId`. */
  readChanges(shardId: string, fromChangeId: number, toChangeId?: number): Promise<VectorChange[]>;
  getLatestChangeId(shardId: string): Promise<number>;
  getVersionVector(shardId: string): Promise<Map<string, number>>;
  /** Joins what the shard really holds; claiming more is ERR_NOT_HELD. */
  updateVersionVector(shardId: string, versionVector: Map<string, number>): Promise<void>;
}

export interface SyncConfig {
  conflictStrategy: ConflictStrategy; // for every shard that this engine syncs, kept in this database; left out: the kept one, at first 'last-write-wins'
  batchSize: number;                  // most changes in one applied batch; default: adapts
  compression: boolean;               // default true (skipped where it does not pay)
  syncIntervalMs: number;             // default 0 = no auto-sync
  maxRetries: number;                 // default 3
  retryBackoffMs: number;             // default 1000, doubled each time, with jitter
  persistSession: boolean;            // default true
}
export interface SyncResult {
  shardId: string;
  changesSent: number;
  changesApplied: number;
  conflictsDetected: number;
  conflictsResolved: number;
  conflictsUnresolved: SyncConflict[];
  bytesSent: number;
  bytesReceived: number;
  attempts: number;
  durationMs: number;
  /** True where the stream went over the TCP fallback. */
  fallback?: boolean;
  /** Things to know that are no errors: another strategy at the peer, an empty shard beside full ones, repairs made. */
  warnings?: string[];
  success: boolean;
  /** Human-readable; `errorCode` is the stable one. */
  error?: string;
  errorCode?: string;
}
export interface SyncSession {
  id: string;
  nodeId: string;
  shardIds: string[];
  lastChangeIds: Map<string, number>;
  versionVectors: Map<string, Map<string, number>>;
  pendingConflicts: SyncConflict[];
  createdAt: number;
  updatedAt: number;
}
export interface ShardState {
  shardId: string;
  currentChangeId: number;
  versionVector: Map<string, number>;
  vectorCount: number;
  lastSyncAt: number;
  status: 'idle' | 'syncing' | 'error';
}

export class VectorQuicSync {
  constructor(db: VectrDB, nodeId: string, config?: Partial<SyncConfig>);
  /** SHA-256 of this node's certificate, hex: what others pin. */
  readonly fingerprint: string;
  /** Works with no server running anywhere. Called by the first use where it was not called. */
  initialize(quicConfig?: QuicTransportConfig): Promise<void>;
  /** Answers other nodes' syncs on this address (default 127.0.0.1:4433); resolves to the bound address. */
  listen(address?: string): Promise<string>;
  /** Rejects only for an argument of the wrong kind, after close (ERR_CLOSED) and on abort. All else, a malformed
   *  address, ERR_TRUST and ERR_STORAGE included, resolves with `success: false`, `error` and `errorCode`. */
  sync(shardId: string, peerAddress: string, force?: boolean, options?: { signal?: AbortSignal; onProgress?: (p: SyncProgress) => void }): Promise<SyncResult>;
  /** Live from then on, with reconnects; `syncIntervalMs` > 0 adds a periodic full check. The same pair twice: no effect. */
  startAutoSync(shardId: string, peerAddress: string): void;
  stopAutoSync(shardId: string): void;
  stopAllAutoSyncs(): void;
  getSession(): SyncSession | null;
  getShardState(shardId: string): Promise<ShardState>;
  getUnresolvedConflicts(shardId?: string): SyncConflict[];
  /** Writes the chosen value so that it supersedes every version that the conflict showed. */
  resolveConflict(conflictId: string, winner: VectorChange): Promise<void>;
  /** 'change', 'conflict', 'peer', 'progress', 'syncError'. Never 'error': an unheard one would end the process. */
  on(event: SyncEventName, listener: (event: SyncEvent) => void): this;
  off(event: SyncEventName, listener: (event: SyncEvent) => void): this;
  events(options?: { signal?: AbortSignal }): AsyncIterable<SyncEvent>;
  getStats(): Promise<PoolStatistics>;
  close(): Promise<void>;
}
export interface SyncProgress { shardId: string; peerAddress: string; sent: number; received: number; total?: number; bytes: number }
export type SyncEventName = 'change' | 'conflict' | 'peer' | 'progress' | 'syncError';
export interface SyncEvent { type: SyncEventName; shardId?: string; peerAddress?: string; [detail: string]: unknown }
export function createVectorSync(db: VectrDB, nodeId: string, config?: Partial<SyncConfig>, quicConfig?: QuicTransportConfig): Promise<VectorQuicSync>;

/** The class of the first source document. `sync` has no `success`: it rejects with the code. Default port 4433. */
export class VectrQuicSync {
  constructor(db: VectrDB, serverAddress: string, options?: { quicConfig?: QuicTransportConfig });
  sync(shardId: string): Promise<{ localVectorsSent: number; remoteVectorsReceived: number; conflictsResolved: number; syncLatencyMs: number }>;
  getStats(): Promise<PoolStatistics>;
  close(): Promise<void>;
}

export interface PeerInfo {
  nodeId: string;
  address: string;
  shards: string[];
  lastContact?: number;
  status: 'online' | 'offline' | 'unknown';
}
export interface CoordinatorStats {
  totalShards: number;
  activeSyncs: number;
  totalSyncs: number;
  totalConflicts: number;
  avgSyncDurationMs: number;
  bytesSent: number;
  bytesReceived: number;
}
export class ShardCoordinator {
  constructor(sync: VectorQuicSync, maxConcurrentSyncs?: number); // default 5
  readonly sync: VectorQuicSync;
  registerPeer(peer: PeerInfo): void;
  unregisterPeer(nodeId: string): void;
  getPeers(): PeerInfo[];
  scheduleSyncTask(shardId: string, peerAddress: string, priority?: number): void; // higher runs first
  executeTasks(): Promise<SyncResult[]>;
  syncAll(): Promise<SyncResult[]>;                          // priority 1
  syncWithPeer(peerAddress: string): Promise<SyncResult[]>;  // priority 2; ERR_UNKNOWN_PEER
  syncShard(shardId: string): Promise<SyncResult[]>;         // priority 5
  getAllShardStates(): Promise<ShardState[]>;
  startAutoSyncAll(intervalMs: number): void;
  stopAutoSyncAll(): void;
  getStats(): CoordinatorStats;
  getPendingTasksCount(): number;
  getActiveSyncsCount(): number;
  clearPendingTasks(): void;
  /** One real QUIC round trip a peer, no sync; key: the peer's nodeId. */
  healthCheck(): Promise<Map<string, boolean>>;
  /** Stops everything, and closes the sync engine where createShardCoordinator made it. */
  close(): Promise<void>;
}
export function createShardCoordinator(db: VectrDB, nodeId: string, config?: Partial<SyncConfig>, maxConcurrentSyncs?: number, quicConfig?: QuicTransportConfig): Promise<ShardCoordinator>;

/** Nothing given: this machine only (loopback addresses). */
export interface TlsConfig {
  certPath?: string;
  keyPath?: string;
  caPath?: string;
  pinnedFingerprints?: string[];
  /** Proven inside the TLS session, bound to it. */
  clusterSecret?: string;
  dangerousAcceptAnyPeer?: boolean;
}
export interface QuicTransportConfig {
  serverName?: string;            // default 'localhost'
  connectTimeoutMs?: number;      // default 5000: a whole attempt, name look-up included; then ERR_PEER_UNREACHABLE
  maxIdleTimeoutMs?: number;      // default 30000, at least 1000
  maxConcurrentStreams?: number;  // default 100, at least 1
  maxConnections?: number;        // default 100
  enable0Rtt?: boolean;           // default true
  tls?: TlsConfig;
}
export interface AgentMessage {
  id: string;
  type: 'task' | 'result' | 'status' | 'coordination' | 'heartbeat' | (string & {});
  payload: unknown;
  metadata?: Record<string, unknown>;
  streamId?: string | number;
}
export interface PoolStatistics { active: number; idle: number; created: number; closed: number; zeroRttAccepted?: number; fallback?: number }
export type InboundMessageHandler = (address: string, message: AgentMessage) => void | AgentMessage | Promise<void | AgentMessage>;

export class QuicTransport {
  static create(config?: QuicTransportConfig): Promise<QuicTransport>;
  readonly fingerprint: string;
  /** Resolves when the peer has acknowledged the whole message. Payloads: JSON values, Uint8Array and Float32Array
   *  (which arrive as such); anything else is ERR_ARGUMENT. */
  send(address: string, message: AgentMessage): Promise<void>;
  receive(address: string, streamId?: string | number, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<AgentMessage>;
  request(address: string, message: AgentMessage, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<AgentMessage>;
  sendBatch(address: string, messages: AgentMessage[]): Promise<void>;
  listen(port: number, host?: string): Promise<string>;
  onMessage(handler: InboundMessageHandler, options?: { streamId?: string | number }): () => void;
  getStats(): Promise<PoolStatistics>;
  close(): Promise<void>;
}
