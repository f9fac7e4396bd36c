// What programs throw: any value at all, with getters that throw in turn. Nothing here throws.
import { describe, kindOf } from './error';

/** A value that was thrown: also `undefined` was thrown by somebody. @internal */
export interface Thrown {
  readonly thrown: unknown;
}

/** The message of a thrown value. @internal */
export function messageOf(thrown: unknown): string {
  const message = safely(() => (isError(thrown) ? (thrown as { message?: unknown }).message : thrown));
  return typeof message === 'string' ? message : describe(message);
}

/** The name of a thrown error's class. @internal */
export function nameOf(thrown: unknown): string | undefined {
  const name = safely(() => (thrown as { name?: unknown } | null | undefined)?.name);
  return typeof name === 'string' ? name : undefined;
}

/** The stack of a thrown error, or what else tells where it comes from. @internal */
export function stackOf(thrown: unknown): string {
  const stack = safely(() => (isError(thrown) ? (thrown as { stack?: unknown }).stack : undefined));
  return typeof stack === 'string' ? stack : messageOf(thrown);
}

/** The stable code of a thrown value, if it has one. @internal */
export function codeOf(thrown: unknown): string | undefined {
  const code = safely(() => (thrown as { code?: unknown } | null | undefined)?.code);
  return typeof code === 'string' ? code : undefined;
}

/** Whether a thrown value is an Error of any realm. @internal */
export function isError(thrown: unknown): thrown is object {
  const isAnyError = () => thrown instanceof Error || (typeof thrown === 'object' && thrown !== null && kindOf(thrown) === 'Error');
  return safely(isAnyError) ?? false;
}

/** Calls `call`, and `threw` with what it throws, or what a promise that it returns rejects with. @internal */
export function guarded(call: () => unknown, threw: (thrown: unknown) => void): void {
  try {
    const answer = call() as { then?: unknown } | null | undefined;
    const then = answer?.then;
    if (typeof then === 'function') then.call(answer, undefined, threw);
  } catch (error) {
    threw(error);
  }
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
