// Process warnings, where no call could fail instead: callbacks that threw, and vectors that are left out.
import { stackOf } from '../check/thrown';

/** Reports what a listener or a logger threw. @internal */
export function warnOfListener(message: string, thrown: unknown): void {
  emit(message, thrown, 'VectrListenerWarning', 'ERR_LISTENER');
}

/** Reports what a message handler threw. @internal */
export function warnOfHandler(message: string, thrown: unknown): void {
  emit(message, thrown, 'VectrHandlerWarning', 'ERR_HANDLER');
}

/** Reports a vector that a search leaves out, because what is stored of it is not what was written. @internal */
export function warnOfDamage(shardId: string, id: string): void {
  const message =
    `vector '${id}' of shard '${shardId}' no longer matches its hash and is left out of search results: ` +
    'write it anew with its vector and metadata, delete it, or restore a backup';
  process.emitWarning(message, { type: 'VectrDamageWarning', code: 'ERR_STORAGE' });
}

function emit(message: string, thrown: unknown, type: string, code: string): void {
  process.emitWarning(message, { type, code, detail: stackOf(thrown) });
}
