// Names: of shards, vectors, nodes and sites. Each is a line of what crosses.
import { outOfRange } from '../check/error';
import { checkText } from '../check/text';

/** Whether a value is a text of 1 to `most` characters without control characters and halves of characters. How many
 *  bytes it has the core counts. */
export function isName(value: unknown, most: number): value is string {
  if (typeof value !== 'string' || value === '' || value.length > most) return false;
  return !UNUSUAL.test(value) || !UNFIT.test(value);
}

/** The id of a shard or a node: 1 to 256 bytes without control characters. */
export function checkId(name: string, value: unknown): string {
  // A UTF-16 unit takes at most three bytes: short ids need no counting.
  return isName(value, MAX_SHARD_BYTES / 3) ? value : checkName(name, value, MAX_SHARD_BYTES);
}

/** A name of 1 to `most` bytes, or an error that says why it is none. */
export function checkName(name: string, value: unknown, most: number): string {
  const text = checkText(name, value);
  if (text === '') throw outOfRange(name, `1 to ${most} bytes`, text);
  if (UNFIT.test(text)) {
    throw outOfRange(name, 'text without control characters', JSON.stringify(text).slice(1, -1));
  }
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > most) throw outOfRange(`the length of ${name}`, `1 to ${most} bytes`, bytes);
  return text;
}

export const MAX_SHARD_BYTES = 256;
export const MAX_VECTOR_ID_BYTES = 1024;
export const MAX_KEY_BYTES = 300;

// Whole pairs of surrogates are fit. To tell them from halves is slow, and mostly there are none.
const UNUSUAL = /[\0-\x1f\x7f\ud800-\udfff]/;
const UNFIT = /[\0-\x1f\x7f]|\p{Surrogate}/u;
