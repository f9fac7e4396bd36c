// Options objects. A misspelt key is an error, never a silent default.
import { coded } from './coded';
import { closest } from './did-you-mean';
import { argumentError, wrongType } from './error';

/** A copy of the object, each key of which was read once; an empty one for `undefined`. An unknown key is a TypeError
 *  that suggests the right one. */
export function checkOptions<T extends object>(name: string, value: unknown, keys: ReadonlyArray<keyof T & string>): T {
  if (value === undefined) return {} as T;
  const copy: Partial<T> = {};
  try {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, 'an object', value);
    for (const key of Object.keys(value)) {
      if (!(keys as readonly string[]).includes(key)) throw unknownKey(name, key, keys);
    }
    for (const key of keys) {
      const given = (value as T)[key];
      if (given !== undefined) copy[key] = given;
    }
  } catch (error) {
    throw coded(error, name);
  }
  return copy as T;
}

/** A boolean; `undefined` stays so. */
export function checkFlag(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrongType(name, 'true or false', value);
}

/** A function; `undefined` stays so. */
export function checkFunction<T>(name: string, value: T): T {
  if (value === undefined || typeof value === 'function') return value;
  throw wrongType(name, 'a function', value);
}

function unknownKey(name: string, key: string, keys: readonly string[]): TypeError {
  const meant = closest(key, keys);
  const hint = meant === undefined ? `known are ${keys.join(', ')}` : `did you mean '${meant}'?`;
  return argumentError(`${name} has no '${key.slice(0, 60)}': ${hint}`);
}
