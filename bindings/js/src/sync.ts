// The sync API: `@agentic-flow/sqlite-vector/sync`.
export type { AbortSignalLike } from './abort';
export type { ChangeOperation, ConflictStrategy, SyncConflict, VectorChange } from './conflict';
export { VectrError } from './error';
export type { Metadata } from './metadata';
export type { PoolStatistics, ShardState, SyncSession } from './session';
export type { SyncConfig } from './sync-config';
export type { SyncProgress, SyncResult } from './sync-result';
export type { QuicTransportConfig, TlsConfig } from './transport-config';
export { type OpenDatabase, type SyncOptions, VectorQuicSync, createVectorSync } from './vector-quic-sync';
