// @generated from bindings/node by scripts/build.mjs: do not edit.

/** Vectors for `insertBatch`, which JavaScript hands over in parts: all at once would hold up its event loop. */
export declare class NativeBatch {
  /** An empty one. */
  constructor()
  /** Adds vectors, which lie one after the other in `vectors`. */
  push(ids: Array<string | undefined | null>, vectors: Float32Array, metadata: Array<string | undefined | null>): void
}

/** Ends a search or a sync early. */
export declare class NativeCancellation {
  /** One that has not been used. */
  constructor()
  /** Ends the calls that were given this, now and later, with ERR_ABORTED. */
  cancel(): void
}

/** The changes of a shard behind one of them. Ends with `stop`, or with this object. */
export declare class NativeChangeFeed {
  /** The next changes, once there are any; none once it was stopped. One call at a time. */
  next(): Promise<NativeChanges | undefined | null>
  /** The change behind which it goes on. */
  get position(): number
  /** Ends the call of `next` that waits, and all later ones. */
  stop(): void
}

/** The changes of a shard, to be taken in parts. */
export declare class NativeChanges {
  /** The next ones; none follow the last. */
  take(): ChangePart | null
  /** How many parts have not been taken. */
  get left(): number
}

/** What to sync with whom. All calls on one coordinator name the same engine. */
export declare class NativeCoordinator {
  /** One that lets so many sessions run at once. */
  constructor(maxConcurrent: number)
  /**
   * Adds peers, each in place of one of the same node. For each: the places of its name and address in `names`, its
   * status (0 unknown, 1 online, 2 offline), the last contact or -1, and how many shards follow by their places.
   */
  registerPeers(names: Array<string>, peers: Float64Array): void
  /** Forgets a peer; false where there is none. */
  unregisterPeer(nodeId: string): boolean
  /** The registered peers. */
  peers(): Array<PeerRecord>
  /** The registered peers with which a node syncs under the topology. */
  neighbours(nodeId: string): Array<PeerRecord>
  /** Adds tasks. For each: the places of its shard and address in `names`, and its priority. */
  schedule(names: Array<string>, tasks: Float64Array): void
  /** Tasks that have not begun. */
  get pendingTasks(): number
  /** Sessions that run. */
  get activeSyncs(): number
  /** Forgets the tasks that have not begun. */
  clearPendingTasks(): void
  /** Chooses the neighbours. */
  setTopology(name: 'mesh' | 'star' | 'ring' | 'tree'): void
  /** What was done so far. */
  statistics(): CoordinatorStatisticsRecord
  /**
   * Runs what is scheduled; with `what` other than that, the syncs with all neighbours, of a shard, or with the peer
   * at an address.
   */
  run(sync: NativeSync, what: 'scheduled' | 'all' | 'shard' | 'peer', name?: string | undefined | null, cancellation?: NativeCancellation | undefined | null): Promise<NativeExchange>
  /** Which peers answer. */
  healthCheck(sync: NativeSync, cancellation?: NativeCancellation | undefined | null): Promise<Array<[string, boolean]>>
  /** The state of all shards. */
  shardStates(sync: NativeSync): Promise<Array<ShardStateRecord>>
  /** Keeps each neighbour's shards in step with it. */
  startAutoSyncAll(sync: NativeSync, intervalMs: number): void
  /** Ends what that began. */
  stopAutoSyncAll(): void
  /** Ends all that runs. */
  close(): Promise<undefined>
}

/** A database. Every method works off the event loop; where `shard` is left out, the default shard is meant. */
export declare class NativeDatabase {
  /** The changes of a shard behind `since`; without it those to come. */
  changes(shard?: string | undefined | null, since?: number | undefined | null): NativeChangeFeed
  /** Who this database is at present: 16 hexadecimal digits. */
  get site(): string
  /** All that was applied after a moment. Nobody may change `answer_to` until then. */
  computeDelta(shard: string | undefined | null, since: number, maxVectors?: number | undefined | null, answerTo?: Uint8Array | undefined | null): Promise<Uint8Array>
  /** Joins a delta. Nobody may change its bytes until then. */
  applyDelta(shard: string | undefined | null, bytes: Uint8Array): Promise<undefined>
  /** The changes after one and up to another. */
  readChanges(shard: string, after: number, to?: number | undefined | null): Promise<NativeChanges>
  /** How far a shard has come. */
  shardHead(shard: string): Promise<ShardHead>
  /** Takes over what a shard is shown to hold. */
  advanceVersionVector(shard: string, claimed: Array<[string, number]>): Promise<undefined>
  /** What someone has to settle, in one shard or in all. Reads on the calling thread. */
  conflicts(shardId?: string | undefined | null): ConflictRecords
  /** Settles a conflict by a vector, or without one by a tombstone, and returns the id of the conflict that is left. */
  resolveConflict(id: string, shardId: string, vectorId: string, vector?: Float32Array | undefined | null, metadata?: string | undefined | null): Promise<string | null>
  /** Opens or makes a database. */
  static open(options: OpenOptions): Promise<NativeDatabase>
  /** The file; none in memory. */
  get path(): string | null
  /** Whether the file is only read. */
  get readOnly(): boolean
  /** What the node is called, where that is known. */
  get nodeId(): string | null
  /** The default shard. */
  get shardId(): string
  /** Adds a vector and returns its id. */
  insert(shard: string | undefined | null, transaction: NativeTransaction | undefined | null, id: string | undefined | null, vector: Float32Array, metadata?: string | undefined | null): Promise<string>
  /** Adds or replaces a vector. */
  upsert(shard: string | undefined | null, transaction: NativeTransaction | undefined | null, id: string, vector: Float32Array, metadata?: string | undefined | null): Promise<undefined>
  /** Adds the vectors of a batch, which is empty afterwards, and returns their ids. All or none. */
  insertBatch(shard: string | undefined | null, transaction: NativeTransaction | undefined | null, batch: NativeBatch): Promise<NativeIds>
  /** Replaces what is given of a vector. */
  update(shard: string | undefined | null, transaction: NativeTransaction | undefined | null, id: string, vector?: Float32Array | undefined | null, metadata?: string | undefined | null): Promise<undefined>
  /** Removes a vector; false where there is none. */
  delete(shard: string | undefined | null, transaction: NativeTransaction | undefined | null, id: string): Promise<boolean>
  /** A vector, as the shard's strategy shows it. */
  get(shard: string | undefined | null, transaction: NativeTransaction | undefined | null, id: string): Promise<EntryRecord | null>
  /** The nearest vectors, the nearest first. */
  search(query: Float32Array, options: SearchOptions, cancellation?: NativeCancellation | undefined | null): Promise<NativeHits>
  /** A walk over a snapshot of a shard, behind the id `after`. */
  iterate(shard: string | undefined | null, includeVectors: boolean, after?: string | undefined | null): Promise<NativeIteration>
  /** How many vectors a shard shows. */
  count(shard?: string | undefined | null): Promise<number>
  /** The shards, in the order of their ids. */
  shards(): Promise<NativeIds>
  /** Runs one read-only statement. */
  query(sql: string, parameters: Array<null | number | bigint | string | Uint8Array>, limits: QueryLimits, cancellation?: NativeCancellation | undefined | null): Promise<NativeRows>
  /** What the database takes on the disk. */
  storage(): StorageRecord
  /** A fingerprint of a shard's content. */
  digest(shard?: string | undefined | null): Promise<string>
  /** Writes a consistent copy into a new file. */
  backup(path: string): Promise<undefined>
  /** Opens a transaction; fails where one is open. */
  begin(): Promise<NativeTransaction>
  /** Opens a transaction once those before it have ended. */
  beginInTurn(): Promise<NativeTransaction>
  /** Keeps what a transaction wrote. */
  commit(transaction: NativeTransaction): Promise<undefined>
  /** Takes back what a transaction wrote. */
  rollback(transaction: NativeTransaction): Promise<undefined>
  /** Ends all use. Closing again does nothing. */
  close(): Promise<undefined>
}

/** Syncs that have exchanged, and whose conflicts `onConflict` may still have to decide. */
export declare class NativeExchange {
  /** Whether the results are there; false where only answers are missing. Without `waits` it asks, and waits for none. */
  settle(waits: boolean): Promise<boolean>
  /** The next part of the results. */
  take(): ResultPart
  /** How many results and conflicts have not been taken. */
  get left(): number
}

/** What a search found, to be taken in parts. */
export declare class NativeHits {
  /** The ids of damaged vectors that are left out. */
  get damaged(): Array<string>
  /** The next ones, about as many as a part may have. */
  take(): HitColumns
  /** How many have not been taken. */
  get left(): number
  /** Drops what has not been taken. */
  free(): void
}

/** Ids in their order, to be taken in parts. */
export declare class NativeIds {
  /** The next ones, each on a line: ids contain no control characters, and one text crosses far faster than many. */
  take(): string
  /** How many have not been taken. */
  get left(): number
}

/** One walk over a snapshot of a shard. The snapshot is freed by `close`, by the database's close, or with this object. */
export declare class NativeIteration {
  /** The next vectors in the order of ids, at most `limit`. None follow an empty page. */
  next(limit: number): Promise<EntryColumns>
  /** Frees the snapshot. */
  close(): Promise<undefined>
}

/** A conflict that `onConflict` is asked about. */
export declare class NativeQuestion {
  /** The conflict. */
  get conflict(): ConflictRecords
  /** Writes the vector, or without one a tombstone; or leaves the conflict, or reports that there is no answer. */
  answer(does: 'write' | 'leave' | 'fail', vector?: Float32Array | undefined | null, metadata?: string | undefined | null): Promise<AnswerOutcome>
}

/** What a query returned, to be taken in parts. */
export declare class NativeRows {
  /** The names of the columns. */
  get columns(): Array<string>
  /** The values of the next rows, row after row: about as many as a part may have. */
  take(): Array<null | number | bigint | string | Uint8Array>
  /** How many rows have not been taken. */
  get left(): number
  /** Drops what has not been taken. */
  free(): void
}

/** The events of an engine, until it is stopped. */
export declare class NativeSubscription {
  /** The next event, if there is one. Events that wait are put together. */
  poll(): EventRecord | null
  /** All events that wait. */
  takeAll(): Array<EventRecord>
  /** Wakes no more. */
  stop(): void
}

/** Syncs the shards of a database. */
export declare class NativeSync {
  /** Asks JavaScript about conflicts from now on. Calls `wake` when there is something to take. */
  onConflict(wake: () => void): void
  /** What has come up since the last call. */
  takeConflicts(): ConflictNotices
  /** Resolves once nothing but answers is missing. */
  conflictsAsked(): Promise<undefined>
  /** An engine for a database. No socket is opened before the first use. */
  static open(database: NativeDatabase, nodeId: string, options: SyncOptions, network: NetworkOptions): Promise<NativeSync>
  /** SHA-256 of the certificate kept in `<database>.key`, which is made where there is none; none in memory. */
  static identityOf(database: NativeDatabase): string | null
  /** SHA-256 of this node's certificate. */
  get fingerprint(): string
  /** The pinned peers. */
  get pinnedFingerprints(): Array<string>
  /** Trusts one more peer. */
  pinPeer(peer: string): void
  /** Trusts a peer no longer; false where it was not pinned. */
  unpinPeer(peer: string): boolean
  /** Replaces whom to trust, and reads the files anew. */
  setTrust(tls: TlsOptions): Promise<undefined>
  /** Answers peers on an address, and returns the bound one. */
  listen(address?: string | undefined | null): Promise<string>
  /** Exchanges with a peer what each lacks of a shard. */
  sync(shardId: string, address: string, call: SyncCall, cancellation?: NativeCancellation | undefined | null, progress?: ((progress: ProgressRecord) => void) | undefined | null): Promise<NativeExchange>
  /** Keeps a shard in step with a peer from now on. */
  startAutoSync(shardId: string, address: string): void
  /** Ends the auto-syncs of a shard. */
  stopAutoSync(shardId: string): boolean
  /** Ends all auto-syncs. */
  stopAllAutoSyncs(): void
  /** What happens from now on. Calls `wake` when there is something to take. */
  subscribe(wake: () => void): NativeSubscription
  /** The state of a shard. */
  shardState(shardId: string): Promise<ShardStateRecord>
  /** The state of all shards. Reads on the calling thread. */
  session(): SessionRecord
  /** The connections made from here. */
  statistics(): StatisticsRecord
  /** What the live sessions of each shard share. */
  feeds(): Array<FeedRecord>
  /** Ends running syncs and stops answering. Closing again does nothing. */
  close(): Promise<undefined>
}

/** An open transaction. */
export declare class NativeTransaction {}

/** Sends messages to other nodes, and takes theirs. */
export declare class NativeTransport {
  /** A transport with an identity of its own. No socket is opened before the first use. */
  static open(network: NetworkOptions, dispatcher: (delivery: DeliveryRecord) => void): Promise<NativeTransport>
  /** SHA-256 of this node's certificate. */
  get fingerprint(): string
  /** The pinned peers. */
  get pinnedFingerprints(): Array<string>
  /** Trusts one more peer. */
  pinPeer(peer: string): void
  /** Trusts a peer no longer; false where it was not pinned. */
  unpinPeer(peer: string): boolean
  /** Replaces whom to trust, and reads the files anew. */
  setTrust(tls: TlsOptions): Promise<undefined>
  /** Takes messages on an address too, and returns the bound one. */
  listen(host?: string | undefined | null, port?: number | undefined | null): Promise<string>
  /** Resolves once the peer's application has the message. */
  send(address: string, message: MessageRecord, timeoutMs?: number | undefined | null, cancellation?: NativeCancellation | undefined | null): Promise<undefined>
  /** Resolves to the answer. */
  request(address: string, message: MessageRecord, timeoutMs?: number | undefined | null, cancellation?: NativeCancellation | undefined | null): Promise<MessageRecord>
  /** Resolves to the next message of a stream from an address. */
  receive(address: string, stream: string, timeoutMs?: number | undefined | null, cancellation?: NativeCancellation | undefined | null): Promise<MessageRecord>
  /** Calls the dispatcher for a stream from now on; for all streams, where none is named. */
  subscribe(stream?: string | undefined | null): void
  /** Undoes one `subscribe`. */
  unsubscribe(stream?: string | undefined | null): void
  /** A handler has ended: with an answer, with a failure, or without either. */
  settle(number: number, answer?: MessageRecord | undefined | null, failure?: string | undefined | null): void
  /** Nobody took a delivery: it waits again. */
  putBack(delivery: DeliveryRecord): void
  /** The connections made from here. */
  statistics(): StatisticsRecord
  /** What waits, and what was done. */
  traffic(): TrafficRecord
  /** Fails what is pending, and stops listening. Closing again does nothing. */
  close(): Promise<undefined>
}

/** What became of an answer. */
export interface AnswerOutcome {
  /** Whether it was written. */
  resolved: boolean
  /** The conflict that is left after that. */
  left?: string
  /** Why it was not. */
  failure?: ConflictFailure
}

/** An array within a payload. */
export interface AttachmentRecord {
  /** A JSON pointer. */
  pointer: string
  /** 0 bytes, 1 floats. */
  kind: number
  /** The content. */
  bytes: Uint8Array
}

/** Changes of a database in three columns, as `FlatChanges`. */
export interface ChangePart {
  /** Header and columns. */
  numbers: Float64Array
  /** Lines: ids, keys and metadata. */
  text: string
  /** Little-endian f32, vector after vector. */
  vectors: Uint8Array
}

/** One of the versions of a vector. */
export interface ChangeRecord {
  /** What it did. */
  operation: 'insert' | 'update' | 'delete'
  /** How many components its vector has; none for a delete. */
  dimensions?: number
  /** JSON text. */
  metadata?: string
  /** Microseconds since the Unix epoch. */
  timestamp: number
  /** Who wrote it. */
  sourceNode: string
  /** Its number: the site. */
  site: string
  /** Its number. */
  seq: number
  /** What is covered of the vector's history, without the other versions. */
  history: Array<[string, number]>
}

/** Why a conflict stays. */
export interface ConflictFailure {
  /** The shard, unless all are meant. */
  shardId?: string
  /** The stable code to report. */
  errorCode: string
  /** The code of the error itself. */
  causeCode: string
  /** The error. */
  cause: string
}

/** What has come up for `onConflict`. */
export interface ConflictNotices {
  /** What it is asked. */
  questions: Array<NativeQuestion>
  /** Why pending conflicts could not be read. */
  failures: Array<ConflictFailure>
}

/** A vector with several versions. */
export interface ConflictRecord {
  /** The same on every node. */
  id: string
  /** The shard. */
  shardId: string
  /** The vector. */
  vectorId: string
  /** Microseconds since the Unix epoch. */
  detectedAt: number
  /** The vector's local change id. */
  changeId: number
  /** In the order of timestamps, sites and numbers. */
  versions: Array<ChangeRecord>
}

/** Vectors with several versions. */
export interface ConflictRecords {
  /** Each of them. */
  conflicts: Array<ConflictRecord>
  /** All components of all versions, vector after vector: a block for each would burden the garbage collector. */
  vectors: Float32Array
}

/** What a coordinator did. */
export interface CoordinatorStatisticsRecord {
  /** Of the registered peers. */
  totalShards: number
  /** Sessions that run. */
  activeSyncs: number
  /** Syncs that ended. */
  totalSyncs: number
  /** Conflicts detected. */
  totalConflicts: number
  /** Milliseconds. */
  avgSyncDurationMs: number
  /** Bytes of frames. */
  bytesSent: number
  /** Bytes of frames. */
  bytesReceived: number
}

/** What the bytes of a delta hold. */
export interface DecodedDelta {
  /** Header and columns. */
  numbers: Float64Array
  /** Lines: ids, keys and metadata. */
  text: string
  /** Little-endian f32, vector after vector. */
  vectors: Uint8Array
  /** As in `PackedDelta`. */
  columns: Uint8Array
  /** Of the content, 32 hexadecimal digits. */
  checksum: string
  /** 0 none, 1 msgpack, 2 lz4, 3 zstd. */
  compression: number
}

/** Reads the bytes of a delta. */
export declare function decodeDelta(bytes: Uint8Array): DecodedDelta

/** A message that came. */
export interface DeliveryRecord {
  /** What `settle` knows it by. */
  number: number
  /** Where it came from. */
  address: string
  /** Whether the sender waits for an answer. */
  wantsAnswer: boolean
  /** The message. */
  message: MessageRecord
}

/** The bytes of a delta. */
export declare function encodeDelta(numbers: Float64Array, text: string, vectors: Uint8Array, compression: number, checksum?: string | undefined | null): Uint8Array

/** Vectors of one shard, a column a field. */
export interface EntryColumns {
  /** The ids, in their order. */
  ids: Array<string>
  /** JSON texts. */
  metadata: Array<string | undefined | null>
  /** Microseconds since the Unix epoch. */
  timestamps: Float64Array
  /** All components, vector after vector. */
  vectors?: Float32Array
}

/** One vector. */
export interface EntryRecord {
  /** The components. */
  vector: Float32Array
  /** JSON text. */
  metadata?: string
  /** Microseconds since the Unix epoch. */
  timestamp: number
  /** Whether someone has to choose between versions. */
  conflicted: boolean
}

/** Something that happened in an engine. The kind says which of the fields are there. */
export interface EventRecord {
  /** What. */
  kind: 'change' | 'conflict' | 'peer' | 'progress' | 'repair' | 'syncError'
  /** Where. */
  shardId: string
  /** With whom. */
  peerAddress: string
  /** Of a change: rows. */
  changes?: number
  /** Of a change: the newest one before. */
  afterChangeId?: number
  /** Of a change: the newest one. */
  toChangeId?: number
  /** Of a conflict: vectors. */
  detected?: number
  /** Of a conflict: whether the strategy settles it. */
  resolved?: boolean
  /** Of a conflict: that strategy. */
  strategy?: string
  /** Of a conflict: which vectors, as far as they are named. */
  vectorIds?: Array<string>
  /** Of a repair: vectors that came back. */
  repaired?: number
  /** Of a repair: vectors that are damaged still. */
  damaged?: number
  /** Of a repair: whether the two nodes hold different content even so. */
  differs?: boolean
  /** Of a peer. */
  online?: boolean
  /** Of progress: rows sent. */
  sent?: number
  /** Of progress: rows to send, where they are counted. */
  total?: number
  /** Of progress: rows that changed this database. */
  received?: number
  /** Of progress: bytes of frames, both ways. */
  bytes?: number
  /** Of a failure, or of a peer that went. */
  error?: string
  /** The stable code of that. */
  errorCode?: string
}

/** The feed of a shard. */
export interface FeedRecord {
  /** Which shard. */
  shardId: string
  /** The change up to which it has read. */
  position: number
  /** Live sessions. */
  sessions: number
  /** Those that have yet to read what it has. */
  lagging: number
  /** Pages read. */
  pages: number
  /** Pages that sessions took. */
  hits: number
  /** Pages that sessions read by themselves. */
  misses: number
  /** Bytes of rows that were not read again. */
  bytesSaved: number
}

/** Changes in three columns. */
export interface FlatChanges {
  /** Header and columns. */
  numbers: Float64Array
  /** Lines: ids, keys and metadata. */
  text: string
  /** Little-endian f32, vector after vector. */
  vectors: Uint8Array
}

/** Shards, `*` for all. */
export interface GrantRecord {
  /** To read. */
  read: Array<string>
  /** To read and write. */
  write: Array<string>
}

/** What a search found, the nearest first, a column a field. */
export interface HitColumns {
  /** The ids. */
  ids: Array<string>
  /** By the metric. */
  distances: Float64Array
  /** By the metric. */
  similarities: Float64Array
  /** JSON texts. */
  metadata: Array<string | undefined | null>
  /** All components, vector after vector. */
  vectors?: Float32Array
}

/** A version vector with one key counted up. */
export declare function incrementVersion(text: string, numbers: Float64Array): Float64Array

/** The maximum of two version vectors. */
export declare function joinVersions(text: string, numbers: Float64Array): Float64Array

/** Merges the standing changes of each vector. */
export declare function mergeChanges(numbers: Float64Array, text: string, vectors: Uint8Array): FlatChanges

/** A message. */
export interface MessageRecord {
  /** The sender's name for it. */
  id: string
  /** Its type. */
  kind: string
  /** The text of the stream's name. */
  stream: string
  /** How that was given: 0 not at all, 1 as text, 2 as a number. */
  streamForm: number
  /** JSON text. */
  payload?: string
  /** JSON text. */
  metadata?: string
  /** The arrays of the payload. */
  attachments: Array<AttachmentRecord>
}

/** How to reach peers, and whom to trust. What is left out has the engine's default. */
export interface NetworkOptions {
  /** The TLS server name. */
  serverName?: string
  /** Milliseconds for a whole attempt. */
  connectTimeoutMs?: number
  /** Milliseconds of silence. */
  maxIdleTimeoutMs?: number
  /** Streams that a peer may have open. */
  maxConcurrentStreams?: number
  /** Connections. */
  maxConnections?: number
  /** Early data. */
  enable0Rtt?: boolean
  /** UDP. */
  enableQuic?: boolean
  /** TCP. */
  enableFallback?: boolean
  /** Whom to trust. */
  tls: TlsOptions
}

/** The changes that no other one of the same delta supersedes. */
export declare function newestChanges(numbers: Float64Array, text: string): Uint32Array

/** How to open a database. */
export interface OpenOptions {
  /** The file; in memory without one. */
  path?: string
  /** The default shard. */
  shardId?: string
  /** What the node is called. */
  nodeId?: string
  /** Of shards without vectors. */
  dimensions?: number
  /** How long calls wait for a transaction. */
  busyTimeoutMs?: number
  /** The bytes of the log at which readers are cut off. */
  logLimitBytes?: number
  /** Whether the file is only read. */
  readOnly: boolean
}

/** All of a delta but its vectors, and its checksum. */
export declare function packDelta(numbers: Float64Array, text: string, vectors: Uint8Array): PackedDelta

/** The checksum of a packed delta. */
export declare function packedChecksum(columns: Uint8Array, vectors: Uint8Array): string

/** All of a delta but its vectors. */
export interface PackedDelta {
  /** From and to, ids, keys, metadata and numbers, as MessagePack. */
  columns: Uint8Array
  /** Of the content, 32 hexadecimal digits. */
  checksum: string
}

/** A node to sync with. */
export interface PeerRecord {
  /** What it is called. */
  nodeId: string
  /** Where it listens. */
  address: string
  /** What to sync with it. */
  shards: Array<string>
  /** Microseconds since the Unix epoch. */
  lastContact?: number
  /** Whether it was there. */
  status: 'online' | 'offline' | 'unknown'
}

/** How far a sync has come. */
export interface ProgressRecord {
  /** Rows sent. */
  sent: number
  /** Rows sent and to be sent, where they are counted. */
  total?: number
  /** Rows that changed this database. */
  received: number
  /** Bytes of frames, both ways. */
  bytes: number
}

/** What a query may take; the core's limits where one is left out. */
export interface QueryLimits {
  /** The time. */
  timeoutMs?: number
  /** The most rows. */
  maxRows?: number
  /** The most bytes. */
  maxBytes?: number
}

/** How two version vectors relate: 0 equal, 1 before, 2 after, 3 concurrent. */
export declare function relateVersions(text: string, numbers: Float64Array): number

/** Which operations stand. */
export interface Resolution {
  /** For each vector: the winner, how many stand, and which. */
  groups: Uint32Array
  /** What the groups without a winner merge to. */
  merged: FlatChanges
}

/** Which changes of both sides stand, and which of them shows. */
export declare function resolveChanges(numbers: Float64Array, text: string, vectors: Uint8Array, strategy: number): Verdict

/** Two deltas in, one out. */
export declare function resolveDeltas(local: Uint8Array, remote: Uint8Array, strategy: number): Uint8Array

/** Which operations of two sides stand. */
export declare function resolveOperations(numbers: Float64Array, text: string, vectors: Uint8Array, localCount: number, strategy: number): Resolution

/** A part of the results: the next one, or more of the conflicts of the last one. */
export interface ResultPart {
  /** The next result. */
  outcome?: SyncOutcome
  /** What someone has to settle in its shard. */
  conflicts: ConflictRecords
}

/** Runs the command `vectr` with these arguments, on this process's standard output; resolves to its exit code. */
export declare function runCommand(arguments: Array<string>, stop: NativeCancellation): Promise<number>

/** The bytes of a packed delta, in `room` where they are not compressed. */
export declare function sealDelta(room: Uint8Array, columns: Uint8Array, timestamp: number, compression: number, checksum: string): Uint8Array | null

/** What to search for. */
export interface SearchOptions {
  /** Where; the default shard where it is left out. */
  shardId?: string
  /** The most results. */
  k: number
  /** How to compare. */
  metric: 'cosine' | 'euclidean' | 'dot'
  /** The least similarity. */
  threshold?: number
  /** Whether to return the vectors too. */
  includeVectors: boolean
}

/** What an engine knows of its syncs. */
export interface SessionRecord {
  /** Names the database. */
  id: string
  /** The node. */
  nodeId: string
  /** Each shard. */
  shards: Array<ShardStateRecord>
  /** What someone has to settle. */
  pendingConflicts: ConflictRecords
  /** Microseconds since the Unix epoch. */
  createdAt: number
  /** Microseconds since the Unix epoch. */
  updatedAt: number
}

/** How far a shard has come. */
export interface ShardHead {
  /** Its newest change. */
  changeId: number
  /** What it holds, by site. */
  versionVector: Array<[string, number]>
}

/** The state of one shard. */
export interface ShardStateRecord {
  /** Which shard. */
  shardId: string
  /** Its newest change. */
  currentChangeId: number
  /** What it holds, by site. */
  versionVector: Array<[string, number]>
  /** Live vectors. */
  vectorCount: number
  /** Microseconds since the Unix epoch; 0: never. */
  lastSyncAt: number
  /** What is going on. */
  status: 'idle' | 'syncing' | 'error'
}

/** The connections made from here. */
export interface StatisticsRecord {
  /** With open streams. */
  active: number
  /** Without. */
  idle: number
  /** Ever established. */
  created: number
  /** Ended. */
  closed: number
  /** Opened with accepted early data. */
  zeroRttAccepted: number
  /** Over TCP. */
  fallback: number
}

/** What a database takes on the disk. */
export interface StorageRecord {
  /** Of the file. */
  fileBytes: number
  /** Of the write-ahead log. */
  logBytes: number
  /** At which readers are cut off. */
  logLimitBytes: number
  /** Queries and iterations that hold a snapshot. */
  readersHeld: number
  /** How many were cut off. */
  readersCutOff: number
  /** Why nothing more becomes durable. */
  fault?: string
}

/** How one sync is run. */
export interface SyncCall {
  /** Whether to read the peer's changelog from its beginning. */
  force: boolean
  /** The time it may take. */
  timeoutMs?: number
}

/** How to sync. What is left out has the engine's default. */
export interface SyncOptions {
  /** The strategy of every shard that is synced. */
  conflictStrategy?: string
  /** Most changes in one batch. */
  batchSize?: number
  /** Whether batches travel packed. */
  compression?: boolean
  /** How often to try again. */
  maxRetries?: number
  /** Milliseconds before the first retry. */
  retryBackoffMs?: number
  /** Milliseconds between full checks of each auto-sync; 0 for none. */
  syncIntervalMs?: number
  /** Whether the file keeps how far peers were read. */
  persistSession?: boolean
  /** Most bytes that wait for peers to read. */
  maxUnsentBytes?: number
  /** Most bytes of peers that wait to be applied. */
  maxUnappliedBytes?: number
  /** Most shards that a peer makes. */
  maxShardsPerPeer?: number
}

/** What a sync did, but for the conflicts that it left. */
export interface SyncOutcome {
  /** The shard. */
  shardId: string
  /** The peer. */
  peerAddress: string
  /** Rows sent. */
  changesSent: number
  /** Rows that came, whether they changed anything or not. */
  changesReceived: number
  /** Rows that changed this database. */
  changesApplied: number
  /** Vectors of this database that a repair brought back. */
  vectorsRepaired: number
  /** Vectors that gained concurrent versions here. */
  conflictsDetected: number
  /** Those that the strategy settles. */
  conflictsResolved: number
  /** Bytes of frames. */
  bytesSent: number
  /** Bytes of frames. */
  bytesReceived: number
  /** Tries. */
  attempts: number
  /** Milliseconds. */
  durationMs: number
  /** Whether it went over TCP. */
  fallback: boolean
  /** Things to know that are no errors. */
  warnings: Array<string>
  /** Why it did not succeed. */
  error?: string
  /** The stable code of that. */
  errorCode?: string
}

/** Whom to trust, and what to show. */
export interface TlsOptions {
  /** This node's certificates. */
  certPath?: string
  /** Its key. */
  keyPath?: string
  /** The authorities. */
  caPath?: string
  /** Peers to trust by fingerprint. */
  pinnedFingerprints?: Array<string>
  /** What members know, the newest first. */
  clusterSecrets: Array<string>
  /** By fingerprint, name, or `*`. */
  rights?: Record<string, GrantRecord>
  /** Whether to trust everybody. */
  dangerousAcceptAnyPeer: boolean
}

/** What a transport holds and has done. */
export interface TrafficRecord {
  /** On their way. */
  outgoingBytes: number
  /** Here, and taken by nobody. */
  incomingBytes: number
  /** Streams ever opened. */
  streams: number
}

/** Which changes stand. */
export interface Verdict {
  /** For each vector: the winner, how many stand, and which. */
  groups: Uint32Array
  /** Pairs of changes with one dot. */
  duplicateDots: Uint32Array
  /** Ids of the conflicts, 32 hexadecimal digits each. */
  ids: string
}
