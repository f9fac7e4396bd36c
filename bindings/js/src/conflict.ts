// Concurrent versions of one vector, as users see them.
import { type Metadata, parseMetadata } from './metadata';
import type { ChangeRecord, ConflictRecord } from './native';

export type ChangeOperation = 'insert' | 'update' | 'delete';
export type ConflictStrategy = 'last-write-wins' | 'first-write-wins' | 'merge' | 'manual';

/** One change of a vector. */
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
  /** The name of the node that made the change; its site where it has no name. */
  sourceNode: string;
  /** What is covered of this vector's history: for each site, `name@16hex`, the newest change of its. */
  versionVector: Map<string, number>;
  /** The change's own number. */
  dot?: { site: string; seq: number };
}

/** A vector of which several concurrent versions stand. */
export interface SyncConflict {
  /** Hash of shard, vector and the versions' dots: the same on every node. */
  id: string;
  shardId: string;
  vectorId: string;
  /** The last-write-wins winner. */
  localChange: VectorChange;
  /** The runner-up. */
  remoteChange: VectorChange;
  /** All concurrent versions, in (timestamp, site, seq) order. */
  versions?: VectorChange[];
  /** Microseconds since the Unix epoch. */
  detectedAt: number;
}

/** From the addon's form. */
export function conflictOf(record: ConflictRecord): SyncConflict {
  const versions = record.versions.map((version) => changeOf(version, record));
  return {
    id: record.id,
    shardId: record.shardId,
    vectorId: record.vectorId,
    // A conflict has at least two versions.
    localChange: versions.at(-1)!,
    remoteChange: versions.at(-2)!,
    versions,
    detectedAt: record.detectedAt,
  };
}

function changeOf({ site, seq, vector, metadata, ...version }: ChangeRecord, record: ConflictRecord): VectorChange {
  const described = parseMetadata(metadata);
  return {
    id: record.changeId,
    shardId: record.shardId,
    vectorId: record.vectorId,
    ...version,
    ...(vector && { vector }),
    ...(described && { metadata: described }),
    versionVector: new Map(record.context),
    dot: { site, seq },
  };
}
