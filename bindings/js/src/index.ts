// Everything: `@agentic-flow/sqlite-vector`.
export { VectrDB } from './database/database';
export type { ChangesOptions, VectorChanges } from './database/changelog/change-feed';
export type { VectrDBOptions } from './database/open-options';
export * from './delta';
export type { IterateOptions, IteratedVector } from './database/iteration';
export type { QueryOptions } from './database/query';
export type { DistanceMetric, SearchOptions, SearchResult } from './database/search';
export type { StorageStatistics } from './database/storage';
export * from './sync';
export * from './transport';
export type { BatchItem, InsertOptions, ShardOptions, VectorEntry, VectorWrites } from './database/writes';
