// Everything: `@agentic-flow/sqlite-vector`.
export { VectrDB } from './database';
export type { VectrDBOptions } from './database-options';
export * from './delta';
export type { IteratedVector } from './iteration';
export type { DistanceMetric, SearchOptions, SearchResult } from './search';
export * from './sync';
export * from './transport';
export type { BatchItem, InsertOptions, ShardOptions, VectorEntry, VectorWrites } from './writes';
