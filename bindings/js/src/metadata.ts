// Metadata crosses as JSON text.
import { argumentError, codeOf, kindOf, outOfRange, wrongKind } from './error';

/** What a vector carries beside its components: a plain JSON object of at most 256 KiB. */
export type Metadata = Record<string, unknown>;

/** The most bytes that metadata may have as JSON text. */
export const MAX_METADATA_BYTES = 256 * 1024;

/** The JSON text; `undefined` stays so. What JSON would drop or change (a Map, NaN, a function) is a TypeError. */
export function checkMetadata(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongKind(name, 'a plain object', value);
  const text = stringified(name, value);
  if (text?.startsWith('{') !== true) throw wrongKind(name, 'a plain object', value);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_METADATA_BYTES)
    throw outOfRange(`the size of ${name}`, `at most ${MAX_METADATA_BYTES} bytes of JSON`, bytes);
  return text;
}

/** What `checkMetadata` made, read again. */
export function parseMetadata(text: string | null | undefined): Metadata | undefined {
  return text == null ? undefined : (JSON.parse(text) as Metadata);
}

function stringified(name: string, value: object): string | undefined {
  try {
    return JSON.stringify(value, (key, part: unknown) => {
      const reason = whyNotJson(part);
      if (reason !== undefined)
        throw argumentError(
          `${name}${key === '' ? '' : `: '${key.slice(0, 60)}'`} ${reason}: give values that JSON can hold`,
        );
      return part;
    });
  } catch (error) {
    if (codeOf(error) === 'ERR_ARGUMENT') throw error;
    // A cycle, too many levels, or a toJSON that throws.
    throw argumentError(`${name} is not JSON: ${(error as Error).message.split('\n')[0]}`);
  }
}

function whyNotJson(part: unknown): string | undefined {
  switch (typeof part) {
    case 'number':
      return Number.isFinite(part) ? undefined : `is ${part}`;
    case 'bigint':
    case 'function':
    case 'symbol':
      return `is a ${typeof part}`;
    case 'object':
      return part === null || Array.isArray(part) || isPlain(part)
        ? undefined
        : `is an object (${kindOf(part)}, not plain)`;
    default:
      return undefined;
  }
}

// Plain objects of another realm (vm contexts, test runners) count as well.
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (kindOf(value) === 'Object' && Object.getPrototypeOf(prototype) === null);
}
