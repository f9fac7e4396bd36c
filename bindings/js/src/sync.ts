// The sync API: `@agentic-flow/sqlite-vector/sync`.
export type { AbortSignalLike } from './abort';
export { ChangelogReader } from './changelog-reader';
export type { ChangeOperation, ConflictStrategy, ConflictWinner, SyncConflict, VectorChange } from './conflict';
export type { ConflictAnswer, ConflictCallback } from './conflict-desk';
export { type DeltaBytes, type DeltaOptions, applyDelta, computeDelta } from './database-deltas';
export { VectrError } from './error';
export type {
  ChangeEvent,
  ConflictEvent,
  PeerEvent,
  ProgressEvent,
  SyncErrorEvent,
  SyncEvent,
  SyncEventName,
  SyncEventOf,
  SyncEvents,
} from './events';
export type { OpenDatabase } from './handle';
export type { LogLevel, Logger } from './logger';
export type { Metadata } from './metadata';
export type { PeerInfo } from './peer';
export type { PoolStatistics, ShardState, SyncSession } from './session';
export {
  type CoordinatorStats,
  type OpenSync,
  ShardCoordinator,
  type WaitOptions,
  createShardCoordinator,
} from './shard-coordinator';
export type { SyncConfig } from './sync-config';
export type { SyncProgress, SyncResult } from './sync-result';
export type { Topology } from './topology';
export type { QuicTransportConfig, ShardRights, TlsConfig } from './transport-config';
export {
  type SyncEventListener,
  type SyncOptions,
  VectorQuicSync,
  createVectorSync,
} from './vector-quic-sync';
export { VectrQuicSync, type VectrQuicSyncOptions, type VectrQuicSyncResult } from './vectr-quic-sync';
