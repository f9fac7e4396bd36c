// Options objects: one check for all, so that a misspelt key is an error and never a silent default.
import { argumentError, wrongKind } from './error';

/** The object, or an empty one where there is none. An unknown key is a TypeError that suggests the right one. */
export function checkOptions<T extends object>(name: string, value: unknown, keys: ReadonlyArray<keyof T & string>): T {
  if (value === undefined) return {} as T;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongKind(name, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!(keys as readonly string[]).includes(key)) throw unknownKey(name, key, keys);
  }
  return value as T;
}

/** A boolean; `undefined` stays so. */
export function checkFlag(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrongKind(name, 'true or false', value);
}

function unknownKey(name: string, key: string, keys: readonly string[]): TypeError {
  const distances = keys.map((known) => [distance(key.toLowerCase(), known.toLowerCase()), known] as const);
  const [best] = distances.sort(([a], [b]) => a - b);
  const near = best !== undefined && best[0] <= Math.max(2, Math.floor(best[1].length / 3));
  const hint = near ? `did you mean '${best[1]}'?` : `known are ${keys.join(', ')}`;
  return argumentError(`${name} has no '${key.slice(0, 60)}': ${hint}`);
}

// Levenshtein's edit distance, row by row; keys of any length are compared by their first 60 characters.
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [row, letter] of [...from.slice(0, 60)].entries()) {
    const current = [row + 1];
    for (let at = 1; at <= to.length; at++) {
      const substituted = previous[at - 1]! + (letter === to[at - 1] ? 0 : 1);
      current.push(Math.min(substituted, previous[at]! + 1, current[at - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
