// AbortSignals and time limits end calls of the addon, and waits of the facade.
// Not the global ones, which test runners replace.
import { VectrError, wrongType } from '../check/error';
import { codeOf } from '../check/thrown';
import { addon } from '../native/addon';
import { timers } from '../native/builtins';
import type { NativeCancellation } from '../native/native';

/** An AbortSignal, whichever typings declare it. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
}

/** An AbortSignal of any realm or library; `undefined` is returned as it is. @internal */
export function checkSignal(name: string, value: unknown): AbortSignalLike | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignalLike> | null;
  if (
    typeof signal !== 'object' ||
    typeof signal?.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function'
  ) {
    throw wrongType(name, 'an AbortSignal', value);
  }
  return value as AbortSignalLike;
}

/** Runs `work` with a cancellation that follows the signal. An aborted call rejects with ERR_ABORTED. @internal */
export async function abortable<T>(
  signal: AbortSignalLike | undefined,
  work: (cancellation: NativeCancellation | undefined) => Promise<T>,
): Promise<T> {
  // Awaited, so that the stack of an early error leads to the caller.
  if (signal === undefined) return await work(undefined);
  if (signal.aborted) throw abortedError(signal);
  try {
    return await work(cancellationOf(signal));
  } catch (error) {
    throw codeOf(error) === 'ERR_ABORTED' ? abortedError(signal) : error;
  }
}

/** Runs `work` with a signal that follows the given one. After `timeoutMs`, if there is such a limit, that signal aborts
 *  `work`, and this rejects with ERR_TIMEOUT. @internal */
export function within<T>(
  timeoutMs: number | undefined,
  signal: AbortSignalLike | undefined,
  work: (signal: AbortSignalLike | undefined) => Promise<T>,
): Promise<T> {
  // No frame of its own where there is no limit: a stack has ten.
  return timeoutMs === undefined ? work(signal) : limited(timeoutMs, signal, work);
}

async function limited<T>(
  timeoutMs: number,
  signal: AbortSignalLike | undefined,
  work: (signal: AbortSignalLike) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const alarm = new Alarm(timeoutMs);
  onAbort(alarm.signal, () => limit.abort());
  const forget = signal && onAbort(signal, () => limit.abort(signal.reason));
  try {
    return await work(limit.signal);
  } catch (error) {
    if (!alarm.signal.aborted || codeOf(error) !== 'ERR_ABORTED') throw error;
    throw lateError(timeoutMs);
  } finally {
    alarm.stop();
    forget?.();
  }
}

/** Aborts its signal after a time. @internal */
export class Alarm {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number) {
    this.#timer = timers.setTimeout(() => this.#controller.abort(), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(): void {
    timers.clearTimeout(this.#timer);
  }
}

/** A function that throws once a call has to end: ERR_ABORTED if the signal has aborted, ERR_TIMEOUT if `timeoutMs` have
 *  passed since now. For work that the addon cannot end. @internal */
export function endOf(signal: AbortSignalLike | undefined, timeoutMs?: number): () => void {
  const started = performance.now();
  return () => {
    if (signal?.aborted === true) throw abortedError(signal);
    if (timeoutMs !== undefined && performance.now() - started >= timeoutMs) throw lateError(timeoutMs);
  };
}

/** Whether `work` settles, however it does, before one of the signals aborts. @internal */
export async function isSettledFirst(
  work: Promise<unknown>,
  signals: ReadonlyArray<AbortSignalLike | undefined>,
): Promise<boolean> {
  let forget: Array<(() => void) | undefined> = [];
  try {
    return await new Promise<boolean>((resolve) => {
      const settled = () => resolve(true);
      work.then(settled, settled);
      forget = signals.map((signal) => signal && onAbort(signal, () => resolve(false)));
    });
  } finally {
    for (const stop of forget) stop?.();
  }
}

/** Calls `listener` once when the signal aborts, immediately if it has. Returns a function that removes the listener.
 *  @internal */
export function onAbort(signal: AbortSignalLike, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => {};
  }
  const all = listenersOf(signal);
  all.add(listener);
  return () => all.delete(listener);
}

/** The error of an aborted call. @internal */
export function abortedError(signal: AbortSignalLike): VectrError {
  return new VectrError('ERR_ABORTED', 'the call was aborted', { cause: signal.reason });
}

function lateError(timeoutMs: number): VectrError {
  return new VectrError('ERR_TIMEOUT', `the call took longer than ${timeoutMs} ms: give it more time, or try again`);
}

// A signal aborts once, so all its calls share one cancellation.
function cancellationOf(signal: AbortSignalLike): NativeCancellation {
  const known = cancellations.get(signal);
  if (known !== undefined) return known;
  const cancellation = new addon.NativeCancellation();
  cancellations.set(signal, cancellation);
  onAbort(signal, () => cancellation.cancel());
  return cancellation;
}

// One listener per signal, however many calls wait: Node warns about more than ten.
function listenersOf(signal: AbortSignalLike): Set<() => void> {
  const known = listeners.get(signal);
  if (known !== undefined) return known;
  const all = new Set<() => void>();
  listeners.set(signal, all);
  signal.addEventListener('abort', () => {
    for (const listener of all) listener();
    all.clear();
  });
  return all;
}

const cancellations = new WeakMap<AbortSignalLike, NativeCancellation>();
const listeners = new WeakMap<AbortSignalLike, Set<() => void>>();
