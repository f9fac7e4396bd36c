// Changes of vectors, deltas of changes and conflicts between them, as users see them.
import type { Metadata } from '../check/metadata';

export type ChangeOperation = 'insert' | 'update' | 'delete';
export type ConflictStrategy = 'last-write-wins' | 'first-write-wins' | 'merge' | 'manual';
export type Compression = 'none' | 'msgpack' | 'lz4' | 'zstd';

/** One change of a vector. */
export interface VectorChange {
  /** Local change id: grows with every change that this database applies. */
  id: number;
  operation: ChangeOperation;
  shardId: string;
  vectorId: string;
  /** Absent for a delete. Functions that take changes accept an array of numbers as well. */
  vector?: Float32Array;
  metadata?: Metadata;
  /** Hybrid logical clock, whole microseconds since the Unix epoch. */
  timestamp: number;
  /** The name of the node that made the change; its site where it has no name. */
  sourceNode: string;
  /** Causal history of this vector, this change included: for each site the newest change of its that is covered.
   *  Keys that a database hands out are sites, `name@16hex`; functions over objects take any string as a key. */
  versionVector: Map<string, number>;
  /** The change's own number. Absent in hand-made changes: (sourceNode, versionVector.get(sourceNode)). */
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
  /** Covers every field of every change, before compression: equal content has an equal checksum everywhere. */
  checksum: string;
  /** 'msgpack' is the documented name for uncompressed MessagePack, 'none' the same. zstd is written in Node. */
  compression: Compression;
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
