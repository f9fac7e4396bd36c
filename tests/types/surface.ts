// Each exported class and function is assignable to the documented one; each result has at least the documented fields.
import * as everything from '@agentic-flow/sqlite-vector';
import * as delta from '@agentic-flow/sqlite-vector/delta';
import * as sync from '@agentic-flow/sqlite-vector/sync';
import * as transport from '@agentic-flow/sqlite-vector/transport';
import type * as contract from './contract';

export const VectrDB: typeof contract.VectrDB = everything.VectrDB;
export const computeDelta: typeof contract.computeDelta = everything.computeDelta;
export const applyDelta: typeof contract.applyDelta = everything.applyDelta;
export const ChangelogReader: typeof contract.ChangelogReader = everything.ChangelogReader;
export const VectrQuicSync: typeof contract.VectrQuicSync = everything.VectrQuicSync;
export const VectorQuicSync: typeof contract.VectorQuicSync = everything.VectorQuicSync;
export const createVectorSync: typeof contract.createVectorSync = everything.createVectorSync;
export const ShardCoordinator: typeof contract.ShardCoordinator = everything.ShardCoordinator;
export const createShardCoordinator: typeof contract.createShardCoordinator = everything.createShardCoordinator;

export const DeltaEncoder: typeof contract.DeltaEncoder = delta.DeltaEncoder;
export const VersionVector: typeof contract.VersionVector = delta.VersionVector;
export const ConflictResolver: typeof contract.ConflictResolver = delta.ConflictResolver;
export const ConflictTracker: typeof contract.ConflictTracker = delta.ConflictTracker;
export const resolveConflicts: typeof contract.resolveConflicts = delta.resolveConflicts;
export const Delta: typeof contract.Delta = delta.Delta;

export const QuicTransport: typeof contract.QuicTransport = everything.QuicTransport;

// One class, whichever way it was imported.
export const sameClass: typeof everything.VectorQuicSync = sync.VectorQuicSync;
export const otherWay: typeof sync.VectorQuicSync = everything.VectorQuicSync;
export const sameServerClass: typeof everything.VectrQuicSync = sync.VectrQuicSync;
export const sameReader: typeof everything.ChangelogReader = sync.ChangelogReader;
export const sameDeltas: typeof everything.computeDelta = sync.computeDelta;
export const sameCoordinator: typeof everything.ShardCoordinator = sync.ShardCoordinator;
export const sameFunction: typeof everything.createVectorSync = sync.createVectorSync;
export const sameTransport: typeof everything.QuicTransport = transport.QuicTransport;
export const otherTransport: typeof transport.QuicTransport = everything.QuicTransport;
export const sameResolver: typeof everything.ConflictResolver = delta.ConflictResolver;
export const sameDelta: typeof delta.Delta = everything.Delta;

type Assignable<From extends To, To> = From;

// Results come out, so ours must do for the documented ones; options go in, so the documented ones must do for ours.
export type Results = [
  Assignable<everything.VectorChange, contract.VectorChange>,
  Assignable<everything.ChangeOperation, contract.ChangeOperation>,
  Assignable<everything.Metadata, contract.Metadata>,
  Assignable<everything.SyncConflict, contract.SyncConflict>,
  Assignable<everything.SearchResult, contract.SearchResult>,
  Assignable<everything.SyncResult, contract.SyncResult>,
  Assignable<everything.SyncProgress, contract.SyncProgress>,
  Assignable<everything.SyncEvent, contract.SyncEvent>,
  Assignable<everything.SyncEventName, contract.SyncEventName>,
  Assignable<everything.SyncSession, contract.SyncSession>,
  Assignable<everything.PeerInfo, contract.PeerInfo>,
  Assignable<everything.CoordinatorStats, contract.CoordinatorStats>,
  Assignable<everything.ShardState, contract.ShardState>,
  Assignable<everything.PoolStatistics, contract.PoolStatistics>,
  Assignable<transport.AgentMessage, contract.AgentMessage>,
  Assignable<transport.TransportStatistics, contract.PoolStatistics>,
  Assignable<delta.VectorChange, contract.VectorChange>,
  Assignable<delta.VectorDelta, contract.VectorDelta>,
  Assignable<delta.SyncConflict, contract.SyncConflict>,
  Assignable<delta.Operation, contract.Operation>,
  Assignable<delta.Conflict, contract.Conflict>,
  Assignable<delta.Delta, contract.Delta>,
];
export type Options = [
  Assignable<contract.VectrDBOptions, everything.VectrDBOptions>,
  Assignable<contract.ChangeOperation, everything.ChangeOperation>,
  Assignable<contract.Metadata, everything.Metadata>,
  Assignable<contract.SyncConfig, everything.SyncConfig>,
  Assignable<contract.SyncEventName, everything.SyncEventName>,
  Assignable<contract.PeerInfo, everything.PeerInfo>,
  Assignable<contract.VectorChange, everything.ConflictWinner>,
  Assignable<contract.QuicTransportConfig, everything.QuicTransportConfig>,
  Assignable<contract.TlsConfig, everything.TlsConfig>,
  Assignable<contract.AgentMessage, everything.AgentMessage>,
  Assignable<contract.InboundMessageHandler, everything.InboundMessageHandler>,
  Assignable<contract.DistanceMetric, everything.DistanceMetric>,
  Assignable<contract.ConflictStrategy, everything.ConflictStrategy>,
  Assignable<contract.VectorChange, delta.VectorChange>,
  Assignable<contract.VectorDelta, delta.VectorDelta>,
  Assignable<contract.SyncConflict, delta.SyncConflict>,
  Assignable<contract.Operation, delta.Operation>,
  Assignable<contract.Compression, delta.Compression>,
  Assignable<contract.ConflictResolutionStrategy, delta.ConflictResolutionStrategy>,
];
