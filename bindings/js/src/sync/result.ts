// What syncs did, as users see it.
import { codeOf, messageOf } from '../check/error';
import { type SyncConflict, conflictOf } from '../conflicts/conflict';
import type { SyncOutcome } from '../native/native';

export interface SyncResult {
  shardId: string;
  peerAddress: string;
  /** Rows sent. */
  changesSent: number;
  /** Rows of the peer that came, whether they changed anything or not. */
  changesReceived: number;
  /** Rows of the peer that changed this database. */
  changesApplied: number;
  /** Vectors that gained concurrent versions here, under every strategy. */
  conflictsDetected: number;
  /** Those of them that the shard's strategy settles; under 'manual' what `onConflict` settled meanwhile. */
  conflictsResolved: number;
  /** All conflicts of the shard that someone has to settle. */
  conflictsUnresolved: SyncConflict[];
  bytesSent: number;
  bytesReceived: number;
  /** How often it was tried. */
  attempts: number;
  durationMs: number;
  /** True where the stream went over the TCP fallback. */
  fallback?: boolean;
  /** Things to know that are no errors: another strategy at the peer, an empty shard beside full ones. */
  warnings?: string[];
  success: boolean;
  /** Human-readable; `errorCode` is the stable one. */
  error?: string;
  errorCode?: string;
}

/** How far a sync has come, in its present attempt. */
export interface SyncProgress {
  shardId: string;
  peerAddress: string;
  /** Rows sent. */
  sent: number;
  /** Rows of the peer that changed this database. */
  received: number;
  /** Rows in all, where that is known. */
  total?: number;
  /** Bytes of frames, both ways. */
  bytes: number;
}

/** From the addon's form. @internal */
export function resultOf(outcome: SyncOutcome): SyncResult {
  const { conflictsUnresolved, fallback, warnings, error, errorCode, ...counts } = outcome;
  return {
    ...counts,
    conflictsUnresolved: conflictsUnresolved.map(conflictOf),
    ...(fallback && { fallback }),
    ...(warnings.length > 0 && { warnings }),
    success: errorCode === undefined,
    ...(errorCode !== undefined && { error, errorCode }),
  };
}

/** A sync that failed before it could be tried. @internal */
export function failedResult(
  shardId: string,
  peerAddress: string,
  error: unknown,
  durationMs: number,
): SyncResult {
  return {
    shardId,
    peerAddress,
    changesSent: 0,
    changesReceived: 0,
    changesApplied: 0,
    conflictsDetected: 0,
    conflictsResolved: 0,
    conflictsUnresolved: [],
    bytesSent: 0,
    bytesReceived: 0,
    attempts: 0,
    durationMs,
    success: false,
    error: messageOf(error),
    errorCode: codeOf(error) ?? 'ERR_STORAGE',
  };
}
