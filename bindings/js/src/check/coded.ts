// Every error that leaves the package has one of its codes, whatever a program passes: getters that throw, revoked
// proxies.
import { VectrError, argumentError, isOurs } from './error';
import { isError, messageOf, nameOf } from './thrown';

/** The error itself if this package has made it; ERR_LIMIT if the engine had no more memory or stack for the call; else
 *  ERR_ARGUMENT: nothing but the program's own values throws others. The error is the cause. @internal */
export function coded(error: unknown, name = 'an argument'): unknown {
  if (isOurs(error)) return error;
  if (isExhaustion(error)) {
    const wayOut = 'call it less deeply nested, or with less at a time';
    return new VectrError('ERR_LIMIT', `the call ran out of memory or stack: ${messageOf(error)}: ${wayOut}`, { cause: error });
  }
  return argumentError(`${name} cannot be used: ${messageOf(error)}`, coded, { cause: error });
}

/** Reads a program's value, which may throw. @internal */
export function readable<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw coded(error, name);
  }
}

/** Gives a code to whatever the methods of a class throw or reject with, but for those in `open`, which pass on what
 *  the program's own functions throw. @internal */
export function codeMethods(type: { prototype: object }, open: readonly string[] = []): void {
  for (const holder of [type, type.prototype]) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof property.value !== 'function' || name === 'constructor' || open.includes(name)) continue;
      Object.defineProperty(holder, name, { ...property, value: codedFunction(property.value as Method) });
    }
  }
}

/** A function that does the same, and throws or rejects with coded errors only. @internal */
export function codedFunction<T extends Method>(method: T): T {
  const { name, length } = method;
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    try {
      const result = method.apply(this, args as never[]);
      return result instanceof Promise ? settled(result) : result;
    } catch (error) {
      throw coded(error);
    }
  };
  return Object.defineProperties(wrapped, { name: { value: name }, length: { value: length } }) as unknown as T;
}

type Method = (...args: never[]) => unknown;

async function settled<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw coded(error);
  }
}

// Engines have no class or code of their own for it.
function isExhaustion(error: unknown): boolean {
  return isError(error) && EXHAUSTION.test(messageOf(error)) && nameOf(error) === 'RangeError';
}

// Of V8, then of JavaScriptCore.
const EXHAUSTION = /^(Maximum call stack size exceeded|Array buffer allocation failed|Invalid string length|Out of memory)/;
