// Numbers passed to the addon, which would silently turn 1e30 into 2^63 and NaN into 0.
import { outOfRange, wrongType } from './error';

/** A whole number in a range; left out, from 0 to what a number holds exactly. */
export function checkInteger(
  name: string,
  value: unknown,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
  code?: string,
): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `a whole number from ${least} to ${most}`, value, code);
  }
  return value;
}

/** As `checkInteger`; `undefined` stays so. */
export function checkOptionalInteger(name: string, value: unknown, least: number, most: number): number | undefined {
  return value === undefined ? undefined : checkInteger(name, value, least, most);
}

/** A number that is neither NaN nor infinite; `undefined` stays so. */
export function checkFinite(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!Number.isFinite(value)) throw outOfRange(name, 'a finite number', value);
  return value;
}

/** The maximum of all durations, in milliseconds: a day. */
export const DAY_MS = 86_400_000;

/** The greatest number that 32 bits hold. */
export const MAX_U32 = 4_294_967_295;
