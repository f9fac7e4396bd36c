// The state of shards and of an engine.
import { type SyncConflict, conflictsOf } from '../conflicts/conflict';
import type { SessionRecord, ShardStateRecord } from '../native/native';

export interface ShardState {
  shardId: string;
  /** The newest change; grows with every change that this database applies. */
  currentChangeId: number;
  /** For each site (`name@16hex`), the newest of its changes that is covered. */
  versionVector: Map<string, number>;
  /** Live vectors. */
  vectorCount: number;
  /** Microseconds since the Unix epoch; 0 if it was never synced. */
  lastSyncAt: number;
  status: 'idle' | 'syncing' | 'error';
}

/** An engine's view of its shards. */
export interface SyncSession {
  id: string;
  nodeId: string;
  shardIds: string[];
  lastChangeIds: Map<string, number>;
  versionVectors: Map<string, Map<string, number>>;
  /** Conflicts to be resolved. */
  pendingConflicts: SyncConflict[];
  /** Microseconds since the Unix epoch: when the session began, as recorded in the file. */
  createdAt: number;
  /** Microseconds since the Unix epoch: when this was read. */
  updatedAt: number;
}

/** Outgoing connections; accepted ones are not counted. */
export interface PoolStatistics {
  /** With at least one open stream. */
  active: number;
  /** Without one. */
  idle: number;
  created: number;
  closed: number;
  /** Connections whose 0-RTT data was accepted. */
  zeroRttAccepted?: number;
  /** Connections over the TCP fallback. */
  fallback?: number;
}

/** Outgoing connections, and what live sessions share. */
export interface SyncStatistics extends PoolStatistics {
  /** Of each shard with a live session, in either direction. */
  feeds: FeedStatistics[];
}

/**
 * What is new in a shard is read once and goes to all of its live sessions. Counted since the first of those that are live
 * now.
 */
export interface FeedStatistics {
  shardId: string;
  /** The change up to which the feed has read; 0 before a session was up to date. */
  position: number;
  /** Live sessions that have been up to date at least once. */
  sessions: number;
  /** Of these, those that have yet to read what the feed has. */
  lagging: number;
  /** Pages that were read. */
  pages: number;
  /** How often a session took one of them. */
  hits: number;
  /** How often a session had to read for itself. */
  misses: number;
  /** Bytes of rows that sessions did not have to read. */
  bytesSaved: number;
}

/** From the addon's form. @internal */
export function shardStateOf({ versionVector, ...record }: ShardStateRecord): ShardState {
  return { ...record, versionVector: new Map(versionVector) };
}

/** From the addon's form. @internal */
export function sessionOf({ shards, pendingConflicts, ...record }: SessionRecord): SyncSession {
  return {
    ...record,
    shardIds: shards.map((shard) => shard.shardId),
    lastChangeIds: new Map(shards.map((shard) => [shard.shardId, shard.currentChangeId])),
    versionVectors: new Map(shards.map((shard) => [shard.shardId, new Map(shard.versionVector)])),
    pendingConflicts: conflictsOf(pendingConflicts),
  };
}
