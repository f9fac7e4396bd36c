// What every entry of `@agentic-flow/sqlite-vector/delta` hands out, whatever its core is.
export { VectrError } from '../check/error';
export type { Metadata } from '../check/metadata';
export type {
  ChangeOperation,
  Compression,
  ConflictStrategy,
  SyncConflict,
  VectorChange,
  VectorDelta,
} from './change';
export { type DeltaColumns, decodeColumns, encodeColumns, resolveDeltas } from './columns';
export { type Conflict, Delta } from './delta';
export { DeltaEncoder } from './encoder';
export { type ConflictResolutionStrategy, type Operation, resolveConflicts } from './operations';
export { ConflictResolver, type Resolution, type Resolutions } from './resolver';
export type { WasmSource } from './backend/wasm-source';
export { ConflictTracker } from './tracker';
export { type VersionRelation, VersionVector } from './version-vector';
