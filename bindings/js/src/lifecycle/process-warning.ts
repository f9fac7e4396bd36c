// Process warnings about callbacks that threw where no call could fail instead.
import { isError } from '../check/error';

/** Reports what a listener or a logger threw. @internal */
export function warnOfListener(message: string, thrown: unknown): void {
  emit(message, thrown, 'VectrListenerWarning', 'ERR_LISTENER');
}

/** Reports what a message handler threw. @internal */
export function warnOfHandler(message: string, thrown: unknown): void {
  emit(message, thrown, 'VectrHandlerWarning', 'ERR_HANDLER');
}

function emit(message: string, thrown: unknown, type: string, code: string): void {
  process.emitWarning(message, { type, code, detail: isError(thrown) ? thrown.stack : String(thrown) });
}
