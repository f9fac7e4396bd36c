// Changes of vectors, deltas of changes and conflicts between them.
import type { Metadata } from '../check/metadata';

export type ChangeOperation = 'insert' | 'update' | 'delete';
export type ConflictStrategy = 'last-write-wins' | 'first-write-wins' | 'merge' | 'manual';
export type Compression = 'none' | 'msgpack' | 'lz4' | 'zstd';

/** One change of a vector. */
export interface VectorChange {
  /** Local change id: grows with every change applied to this database. */
  id: number;
  operation: ChangeOperation;
  shardId: string;
  vectorId: string;
  /** Absent for a delete, and for an update that leaves the vector as it is. Functions that take changes also accept
   *  an array of numbers. */
  vector?: Float32Array;
  metadata?: Metadata;
  /** Hybrid logical clock, whole microseconds since the Unix epoch. */
  timestamp: number;
  /** The name of the node that made the change; its site if it has no name. */
  sourceNode: string;
  /** Causal history of this vector, including this change: for each site the newest of its changes that is covered.
   *  Databases use sites (`name@16hex`) as keys; functions over objects accept any string. */
  versionVector: Map<string, number>;
  /** Identifies the change. Default for hand-made changes: (sourceNode, versionVector.get(sourceNode)). */
  dot?: { site: string; seq: number };
}

/** Changes of one shard, with a checksum. */
export interface VectorDelta {
  shardId: string;
  /** The smallest id of a change. */
  fromChangeId: number;
  /** The greatest id of a change. */
  toChangeId: number;
  changes: VectorChange[];
  /** Covers every field of every change, before compression: equal content has the same checksum everywhere. */
  checksum: string;
  /** 'none' and 'msgpack' are both uncompressed MessagePack. 'zstd' can only be written in Node. */
  compression: Compression;
}

/** A vector with several concurrent versions. */
export interface SyncConflict {
  /** A hash of shard, vector and the versions' dots: the same on every node. */
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
