// Strings passed to the addon. The core checks lengths and characters; these checks refuse what would arrive altered.
import { didYouMean } from './did-you-mean';
import { outOfRange, wrongType } from './error';

/** A string that UTF-8 can represent: lone surrogates would be replaced silently, which could make two ids equal. */
export function checkText(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (isHalved(value)) throw outOfRange(name, 'text without lone surrogates', value);
  return value;
}

/** Whether text has a lone surrogate, half of a character. */
export function isHalved(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** As `checkText`; `undefined` stays so. */
export function checkOptionalText(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : checkText(name, value);
}

/** A path of the file system. */
export function checkPath(name: string, value: unknown): string {
  const path = checkText(name, value);
  if (path === '' || path.includes('\0')) throw outOfRange(name, 'the path of a file', path);
  if (path.startsWith(':memory:') || path.startsWith('file:')) {
    throw outOfRange(name, 'a plain path; for a database in memory leave it out, or set memoryMode', path);
  }
  return path;
}

/** 64 hexadecimal digits, lower case; colons between bytes are dropped. */
export function checkFingerprint(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string of 64 hexadecimal digits', value);
  const digits = value.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits))
    throw outOfRange(name, 'the 64 hexadecimal digits that the peer prints as its own', value);
  return digits;
}

/** One of a few words. */
export function checkWord<T extends string>(name: string, value: unknown, words: readonly T[]): T {
  if (typeof value !== 'string') throw wrongType(name, words.map((word) => `'${word}'`).join(' or '), value);
  if (words.includes(value as T)) return value as T;
  throw outOfRange(name, `${words.join(', ')}${didYouMean(value, words)}`, value);
}
