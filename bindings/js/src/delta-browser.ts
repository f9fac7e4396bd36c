// The delta and conflict logic for browsers and bundlers: the WASM module comes along.
import * as delta from './delta-slim';
import { provideModule } from './delta/backend/wasm-loader';
import { moduleBytes } from './native/wasm-bytes';

provideModule(moduleBytes);

// Variables of this file and not re-exports: package.json promises that importing has no side effects, so a bundler
// would follow re-exports to where they lead, and leave this file out with the line above.
export const ConflictResolver = delta.ConflictResolver;
export const ConflictTracker = delta.ConflictTracker;
export const Delta = delta.Delta;
export const DeltaEncoder = delta.DeltaEncoder;
export const VectrError = delta.VectrError;
export const VersionVector = delta.VersionVector;
export const decodeColumns = delta.decodeColumns;
export const encodeColumns = delta.encodeColumns;
export const initialize = delta.initialize;
export const resolveConflicts = delta.resolveConflicts;
export const resolveDeltas = delta.resolveDeltas;
