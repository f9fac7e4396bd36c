// Results and progress of syncs.
import { codeOf, messageOf } from '../check/thrown';
import { type SyncConflict, conflictsOf } from '../conflicts/conflict';
import { inParts } from '../lifecycle/turn';
import type { NativeExchange, SyncOutcome } from '../native/native';

export interface SyncResult {
  shardId: string;
  peerAddress: string;
  /** Rows sent. */
  changesSent: number;
  /** Rows received from the peer, whether they changed anything or not. */
  changesReceived: number;
  /** Received rows that changed this database. */
  changesApplied: number;
  /** Vectors of this database that were damaged, lost or altered by another program, and came back from the peer. */
  vectorsRepaired: number;
  /** Vectors that gained concurrent versions here, under every strategy. */
  conflictsDetected: number;
  /** How many of them the shard's strategy resolves, or under 'manual' `onConflict` did. */
  conflictsResolved: number;
  /** All unresolved conflicts of the shard. */
  conflictsUnresolved: SyncConflict[];
  bytesSent: number;
  bytesReceived: number;
  /** The number of attempts. */
  attempts: number;
  durationMs: number;
  /** True if the TCP fallback was used. */
  fallback?: boolean;
  /** Remarks that are not errors, such as another strategy at the peer, or an empty shard beside others with content. */
  warnings?: string[];
  success: boolean;
  /** Human-readable; `errorCode` is the stable one. */
  error?: string;
  errorCode?: string;
}

/** The progress of a sync in its current attempt. */
export interface SyncProgress {
  shardId: string;
  peerAddress: string;
  /** Rows sent. */
  sent: number;
  /** Received rows that changed this database. */
  received: number;
  /** Rows sent and to be sent; undefined until they are counted. Rows that the peer turns out to have are not sent: the
   *  number falls while they are passed over, and equals `sent` at the end. */
  total?: number;
  /** Bytes of frames, both ways. */
  bytes: number;
}

/** The results of syncs, taken in parts. @internal */
export async function resultsOf(exchange: NativeExchange): Promise<SyncResult[]> {
  const results: SyncResult[] = [];
  await inParts(exchange, () => {
    for (let taken = 0; taken < RESULTS_IN_PART && exchange.left > 0; taken++) {
      const { outcome, conflicts } = exchange.take();
      if (outcome) results.push(resultOf(outcome));
      const pending = conflictsOf(conflicts);
      results.at(-1)?.conflictsUnresolved.push(...pending);
      if (pending.length > 0) break;
    }
  });
  return results;
}

// Of results without conflicts.
const RESULTS_IN_PART = 64;

function resultOf(outcome: SyncOutcome): SyncResult {
  const { fallback, warnings, error, errorCode, ...counts } = outcome;
  return {
    ...counts,
    conflictsUnresolved: [],
    ...(fallback && { fallback }),
    ...(warnings.length > 0 && { warnings }),
    success: errorCode === undefined,
    ...(errorCode !== undefined && { error, errorCode }),
  };
}

/** The result of a sync that failed before its first attempt. @internal */
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
    vectorsRepaired: 0,
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
