// AbortSignals end calls of the addon.
import { addon } from './addon';
import { VectrError, codeOf, wrongKind } from './error';
import type { NativeCancellation } from './native';

/** What an AbortSignal has, of which library of types it may come. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
}

/** Something with the surface of an AbortSignal; `undefined` stays so. */
export function checkSignal(name: string, value: unknown): AbortSignalLike | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignalLike> | null;
  if (
    typeof signal !== 'object' ||
    typeof signal?.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function'
  ) {
    throw wrongKind(name, 'an AbortSignal', value);
  }
  return value as AbortSignalLike;
}

/** Runs `work` with a cancellation that follows the signal. An aborted call rejects with ERR_ABORTED. */
export async function abortable<T>(
  signal: AbortSignalLike | undefined,
  work: (cancellation: NativeCancellation | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work(undefined);
  if (signal.aborted) throw abortedError(signal);
  try {
    return await work(cancellationOf(signal));
  } catch (error) {
    throw codeOf(error) === 'ERR_ABORTED' ? abortedError(signal) : error;
  }
}

// A signal aborts once: all its calls share one cancellation, and it hears of one listener, however many there are.
function cancellationOf(signal: AbortSignalLike): NativeCancellation {
  const known = cancellations.get(signal);
  if (known !== undefined) return known;
  const cancellation = new addon.NativeCancellation();
  cancellations.set(signal, cancellation);
  signal.addEventListener('abort', () => cancellation.cancel());
  return cancellation;
}

function abortedError(signal: AbortSignalLike): VectrError {
  return new VectrError('ERR_ABORTED', 'the call was aborted', { cause: signal.reason });
}

const cancellations = new WeakMap<AbortSignalLike, NativeCancellation>();
