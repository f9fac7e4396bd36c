// The sync API: `@agentic-flow/sqlite-vector/sync`.
export type { AbortSignalLike } from './lifecycle/abort';
export { ChangelogReader } from './database/changelog/changelog-reader';
export type { ChangeOperation, ConflictStrategy, ConflictWinner, SyncConflict, VectorChange } from './conflicts/conflict';
export type { ConflictAnswer, ConflictCallback } from './conflicts/conflict-callback';
export { type DeltaBytes, type DeltaOptions, applyDelta, computeDelta } from './database/deltas';
export { VectrError } from './check/error';
export type {
  ChangeEvent,
  ConflictEvent,
  HeardEvent,
  HeardEventName,
  PeerEvent,
  ProgressEvent,
  RepairEvent,
  SyncErrorEvent,
  SyncEvent,
  SyncEventName,
  SyncEventOf,
  SyncEvents,
} from './events/event';
export type { OpenDatabase } from './database/open-database';
export type { LogLevel, Logger } from './events/logger';
export type { Metadata } from './check/metadata';
export type { PeerInfo } from './coordinator/peer';
export type { FeedStatistics, PoolStatistics, ShardState, SyncSession, SyncStatistics } from './sync/session';
export {
  type CoordinatorStats,
  type OpenSync,
  ShardCoordinator,
  type WaitOptions,
  createShardCoordinator,
} from './coordinator/shard-coordinator';
export type { SyncConfig } from './sync/config';
export type { SyncProgress, SyncResult } from './sync/result';
export type { Topology } from './coordinator/topology';
export type { QuicTransportConfig, ShardRights, TlsConfig } from './transport/config';
export {
  type SyncEventListener,
  type SyncOptions,
  VectorQuicSync,
  createVectorSync,
} from './sync/vector-quic-sync';
export { VectrQuicSync, type VectrQuicSyncOptions, type VectrQuicSyncResult } from './compat/vectr-quic-sync';
