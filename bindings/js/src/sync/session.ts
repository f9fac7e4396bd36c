// The state of shards and of an engine, as users see it.
import { type SyncConflict, conflictOf } from '../conflicts/conflict';
import type { SessionRecord, ShardStateRecord } from '../native/native';

export interface ShardState {
  shardId: string;
  /** The newest change; grows with every change that this database applies. */
  currentChangeId: number;
  /** For each site, `name@16hex`, the newest change of its that is covered. */
  versionVector: Map<string, number>;
  /** Live vectors. */
  vectorCount: number;
  /** Microseconds since the Unix epoch; 0 where it was never synced. */
  lastSyncAt: number;
  status: 'idle' | 'syncing' | 'error';
}

/** What an engine knows of its shards. */
export interface SyncSession {
  id: string;
  nodeId: string;
  shardIds: string[];
  lastChangeIds: Map<string, number>;
  versionVectors: Map<string, Map<string, number>>;
  /** What someone has to settle. */
  pendingConflicts: SyncConflict[];
  /** Microseconds since the Unix epoch: when the session began; kept in the file. */
  createdAt: number;
  /** Microseconds since the Unix epoch: when this was read. */
  updatedAt: number;
}

/** Connections made from here; accepted ones are not counted. */
export interface PoolStatistics {
  /** With at least one open stream. */
  active: number;
  /** Without one. */
  idle: number;
  created: number;
  closed: number;
  /** Whose first bytes travelled as 0-RTT data and were accepted. */
  zeroRttAccepted?: number;
  /** Over the TCP fallback. */
  fallback?: number;
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
    pendingConflicts: pendingConflicts.map(conflictOf),
  };
}
