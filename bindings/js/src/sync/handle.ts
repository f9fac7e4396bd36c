// Access to an engine for coordinators of this package, hidden from users.
import type { EventHub } from '../events/event-hub';
import type { AbortSignalLike } from '../lifecycle/abort';
import type { ProcessRef } from '../lifecycle/process-ref';
import type { NativeCancellation, NativeExchange, NativeSync } from '../native/native';
import type { SyncResult } from './result';

/** An engine, seen from within the package. */
export interface SyncHandle {
  /** The name of its node. */
  readonly nodeId: string;
  readonly hub: EventHub;
  readonly processRef: ProcessRef;
  /** Throws ERR_CLOSED after close. */
  checkOpen(): void;
  /** The addon's engine, opened if it is not. */
  ready(): Promise<NativeSync>;
  /** Runs syncs, then `onConflict` for the conflicts they leave. */
  run(
    signal: AbortSignalLike | undefined,
    work: (engine: NativeSync, cancellation: NativeCancellation | undefined) => Promise<NativeExchange>,
  ): Promise<SyncResult[]>;
}

const handles = new WeakMap<object, SyncHandle>();

/** Remembers an engine's handle. */
export function registerSyncHandle(sync: object, handle: SyncHandle): void {
  handles.set(sync, handle);
}

/** The handle of an engine; undefined for any other value. */
export function syncHandleOf(value: unknown): SyncHandle | undefined {
  return typeof value === 'object' && value !== null ? handles.get(value) : undefined;
}
