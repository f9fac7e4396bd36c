// Events of sync engines.
import { didYouMean } from '../check/did-you-mean';
import { argumentError, describe } from '../check/error';
import type { ConflictStrategy } from '../conflicts/conflict';
import type { asyncDispose } from '../lifecycle/disposal';
import type { EventRecord } from '../native/native';

// Type aliases, not interfaces, so that events are assignable to index signatures.

/** Changes of a peer were applied. Their ids lie above `afterChangeId`, up to `toChangeId`. */
export type ChangeEvent = {
  type: 'change';
  shardId: string;
  peerAddress: string;
  /** The number of rows that changed this database. */
  changes: number;
  afterChangeId: number;
  toChangeId: number;
};

/** Vectors gained concurrent versions. */
export type ConflictEvent = {
  type: 'conflict';
  shardId: string;
  peerAddress: string;
  detected: number;
  /** 'unresolved' under 'manual': listed by getUnresolvedConflicts. */
  outcome: 'resolved' | 'unresolved';
  strategy: ConflictStrategy;
  /** The ids of these vectors, at most 100. */
  vectorIds: string[];
};

/** The live stream of an auto-sync came up or went down. */
export type PeerEvent = {
  type: 'peer';
  shardId: string;
  peerAddress: string;
  status: 'online' | 'offline';
  error?: string;
  errorCode?: string;
};

/** The progress of a sync. */
export type ProgressEvent = {
  type: 'progress';
  shardId: string;
  peerAddress: string;
  sent: number;
  received: number;
  /** As of `SyncProgress`. */
  total?: number;
  bytes: number;
};

/** A sync, a listener (ERR_LISTENER) or `onConflict` (ERR_CONFLICT_CALLBACK) failed; or, without a shard, the database's
 *  write-ahead log has passed its limit (ERR_LIMIT). */
export type SyncErrorEvent = {
  type: 'syncError';
  shardId?: string;
  peerAddress?: string;
  /** Human-readable; `errorCode` is the stable one. */
  error: string;
  errorCode: string;
  /** What a listener or `onConflict` threw. */
  cause?: unknown;
};

/** Rows of a shard of one of the two nodes were damaged, lost or altered by another program, and the nodes have compared
 *  their rows. Only listeners get it: readers of `events()` see what came back as a 'change'. */
export type RepairEvent = {
  type: 'repair';
  shardId: string;
  peerAddress: string;
  /** How many vectors came back to this database. */
  repaired: number;
  /** How many vectors of this database are damaged still: the peer has no sound version of them. */
  damaged: number;
  /** Whether the two nodes hold different content of the same changes even so. */
  differs: boolean;
};

export type SyncEvent = ChangeEvent | ConflictEvent | PeerEvent | ProgressEvent | SyncErrorEvent;
export type SyncEventName = SyncEvent['type'];
/** What a listener may hear: the events of readers, and repairs. */
export type HeardEvent = SyncEvent | RepairEvent;
export type HeardEventName = HeardEvent['type'];
/** The event of a name. */
export type SyncEventOf<Name extends HeardEventName> = Extract<HeardEvent, { type: Name }>;

/** An iterator over events. */
export interface SyncEvents extends AsyncIterableIterator<SyncEvent> {
  return(): Promise<IteratorResult<SyncEvent, undefined>>;
  /** `await using` ends it, as `break` does. */
  [asyncDispose](): Promise<void>;
}

/** One of the names of events; anything else is a TypeError that suggests one. @internal */
export function checkEventName(value: unknown): HeardEventName {
  if (NAMES.includes(value as HeardEventName)) return value as HeardEventName;
  const names = NAMES.map((name) => `'${name}'`).join(', ');
  throw argumentError(`event is ${describe(value)}: give ${names}${didYouMean(value, NAMES)}`);
}

/** From the addon's form. @internal */
export function eventOf(record: EventRecord): HeardEvent {
  const { shardId, peerAddress } = record;
  const of = { shardId, peerAddress };
  switch (record.kind) {
    case 'change': {
      const { changes = 0, afterChangeId = 0, toChangeId = 0 } = record;
      return { type: 'change', ...of, changes, afterChangeId, toChangeId };
    }
    case 'conflict': {
      const { detected = 0, resolved, vectorIds = [] } = record;
      const strategy = record.strategy as ConflictStrategy;
      return { type: 'conflict', ...of, detected, outcome: resolved ? 'resolved' : 'unresolved', strategy, vectorIds };
    }
    case 'peer':
      return { type: 'peer', ...of, status: record.online ? 'online' : 'offline', ...failureOf(record) };
    case 'progress': {
      const { sent = 0, received = 0, total, bytes = 0 } = record;
      return { type: 'progress', ...of, sent, received, ...(total !== undefined && { total }), bytes };
    }
    case 'repair': {
      const { repaired = 0, damaged = 0, differs = false } = record;
      return { type: 'repair', ...of, repaired, damaged, differs };
    }
    case 'syncError':
      return { type: 'syncError', ...(shardId !== '' && of), error: '', errorCode: 'ERR_STORAGE', ...failureOf(record) };
  }
}

function failureOf({ error, errorCode }: EventRecord): { error?: string; errorCode?: string } {
  return { ...(error != null && { error }), ...(errorCode != null && { errorCode }) };
}

const NAMES: readonly HeardEventName[] = ['change', 'conflict', 'peer', 'progress', 'repair', 'syncError'];
