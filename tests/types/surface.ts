// Each exported class and function is assignable to the documented one; each result has at least the documented fields.
import * as everything from '@agentic-flow/sqlite-vector';
import * as sync from '@agentic-flow/sqlite-vector/sync';
import type * as contract from './contract';

export const VectrDB: typeof contract.VectrDB = everything.VectrDB;
export const VectorQuicSync: typeof contract.VectorQuicSync = everything.VectorQuicSync;
export const createVectorSync: typeof contract.createVectorSync = everything.createVectorSync;

// One class, whichever way it was imported.
export const sameClass: typeof everything.VectorQuicSync = sync.VectorQuicSync;
export const otherWay: typeof sync.VectorQuicSync = everything.VectorQuicSync;
export const sameFunction: typeof everything.createVectorSync = sync.createVectorSync;

type Assignable<From extends To, To> = From;

// Results come out, so ours must do for the documented ones; options go in, so the documented ones must do for ours.
export type Results = [
  Assignable<everything.VectorChange, contract.VectorChange>,
  Assignable<everything.SyncConflict, contract.SyncConflict>,
  Assignable<everything.SearchResult, contract.SearchResult>,
  Assignable<everything.SyncResult, contract.SyncResult>,
  Assignable<everything.SyncProgress, contract.SyncProgress>,
  Assignable<everything.SyncSession, contract.SyncSession>,
  Assignable<everything.ShardState, contract.ShardState>,
  Assignable<everything.PoolStatistics, contract.PoolStatistics>,
];
export type Options = [
  Assignable<contract.VectrDBOptions, everything.VectrDBOptions>,
  Assignable<contract.SyncConfig, everything.SyncConfig>,
  Assignable<contract.QuicTransportConfig, everything.QuicTransportConfig>,
  Assignable<contract.TlsConfig, everything.TlsConfig>,
  Assignable<contract.DistanceMetric, everything.DistanceMetric>,
  Assignable<contract.ConflictStrategy, everything.ConflictStrategy>,
];
