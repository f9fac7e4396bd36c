// Metadata, which is passed to the core as JSON text.
import { argumentError, describe, kindOf, outOfRange, wrongType } from './error';
import { isHalved } from './text';

/** Data stored with a vector: a plain JSON object of at most 256 KiB and 1,000 levels. */
export type Metadata = Record<string, unknown>;

/** What may have metadata. */
interface HasMetadata {
  metadata?: Metadata;
}

/** The maximum size of metadata as JSON text, in bytes. @internal */
export const MAX_METADATA_BYTES = 256 * 1024;

/** The JSON text; `undefined` is returned as it is. A TypeError names the place of what JSON would drop or change (a Map,
 *  NaN, a function, a lone surrogate) or cannot read. @internal */
export function checkMetadata(name: string, value: unknown): string | undefined {
  return checkJson(name, value, '{');
}

/** The JSON text of small metadata that consists of plain values throughout. Undefined for all other values, valid or
 *  not: `checkMetadata` decides about those. @internal */
export function simpleMetadata(value: unknown): string | undefined {
  try {
    if (!isSimpleMetadata(value)) return undefined;
    const text = JSON.stringify(value);
    // No character has more than three bytes for each of its UTF-16 units.
    return text.length * 3 <= MAX_METADATA_BYTES && !mayHaveSurrogates(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Whether JSON text may contain a lone surrogate, which JSON.stringify writes as an escape. @internal */
export function mayHaveSurrogates(text: string): boolean {
  return text.includes('\\ud');
}

/** Whether JSON.stringify is sure to write the whole of this metadata, of whatever length, as it is. @internal */
export function isSimpleMetadata(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && isSimpleObject(value as Metadata, 0);
}

/** The JSON texts of simple metadata, each after a line break. @internal */
export function linesOfSimple(values: readonly Metadata[]): string {
  // All at once is far faster than one by one. Splitting between two objects gives as many parts as there are objects,
  // unless some contain arrays of objects, or such a text.
  const parts = JSON.stringify(values).slice(1, -1).split('},{');
  if (parts.length === values.length) return `\n${parts.join('}\n{')}`;
  return values.map((value) => `\n${JSON.stringify(value)}`).join('');
}

/** Keys and values of all metadata, for `isSameMetadataAs`; undefined if any of it is nested or not simple. @internal */
export function snapshotMetadata(carriers: readonly HasMetadata[]): unknown[] | undefined {
  const notes: unknown[] = [];
  for (let index = 0; index < carriers.length; index++) {
    const { metadata } = carriers[index]!;
    if (metadata === undefined) continue;
    if (metadata === null || Object.getPrototypeOf(metadata) !== Object.prototype) return undefined;
    for (const key in metadata) {
      const value = metadata[key];
      if (!isSimpleValue(value, SIMPLE_LEVELS)) return undefined;
      notes.push(key, value);
    }
    notes.push(END);
  }
  return notes;
}

/** Whether all metadata still equals its snapshot: far faster than comparing its text. @internal */
export function isSameMetadataAs(carriers: readonly HasMetadata[], notes: readonly unknown[]): boolean {
  let at = 0;
  for (let index = 0; index < carriers.length; index++) {
    const { metadata } = carriers[index]!;
    if (metadata === undefined) continue;
    if (metadata === null || Object.getPrototypeOf(metadata) !== Object.prototype) return false;
    for (const key in metadata) {
      if (notes[at++] !== key || notes[at++] !== metadata[key]) return false;
    }
    if (notes[at++] !== END) return false;
  }
  return true;
}

/** The JSON text of any value that JSON can hold, with this beginning; `undefined` stays so. @internal */
export function checkJson(name: string, value: unknown, beginning = ''): string | undefined {
  if (value === undefined) return undefined;
  const usual = simpleMetadata(value);
  if (usual !== undefined) return usual;
  const text = stringified(name, value);
  if (text?.startsWith(beginning) !== true)
    throw wrongType(name, beginning === '' ? 'a value that JSON can hold' : 'a plain object', value);
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_METADATA_BYTES)
    throw outOfRange(`the size of ${name}`, `at most ${MAX_METADATA_BYTES} bytes of JSON`, bytes);
  return text;
}

/** Parses the text that `checkMetadata` returned. @internal */
export function parseMetadata(text: string | null | undefined): Metadata | undefined {
  return text == null ? undefined : (JSON.parse(text) as Metadata);
}

// A replacer makes JSON.stringify several times slower: most values do not need it.
function isSimpleObject(value: Metadata, level: number): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) {
    if (!isSimpleValue(value[key], level)) return false;
  }
  return true;
}

function isSimpleArray(values: unknown[], level: number): boolean {
  if (Object.getPrototypeOf(values) !== Array.prototype || 'toJSON' in values) return false;
  for (let index = 0; index < values.length; index++) {
    if (!isSimpleValue(values[index], level)) return false;
  }
  return true;
}

function isSimpleValue(value: unknown, level: number): boolean {
  // Compared one by one, the kind of a value need not be written as text.
  if (typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'boolean' || value == null) return true;
  if (typeof value !== 'object' || level === SIMPLE_LEVELS) return false;
  return Array.isArray(value) ? isSimpleArray(value, level + 1) : isSimpleObject(value as Metadata, level + 1);
}

function stringified(name: string, value: unknown): string | undefined {
  // Values that are being written and their places, the outermost first.
  const above: Array<[unknown, string]> = [];
  let place = name;
  let fault: string | undefined;
  try {
    return JSON.stringify(value, function (this: unknown, key: string, part: unknown) {
      while (above[0] && above[0][0] !== this) above.shift();
      if (above[0]) place = above[0][1] + (Array.isArray(this) ? `[${key}]` : `.${key.slice(0, 60)}`);
      const isNamed = !isHalved(key);
      if (!isNamed || !isJson(part)) throw (fault = describe(isNamed ? part : key));
      above.unshift([part, place]);
      return part;
    });
  } catch (cause) {
    throw fault
      ? argumentError(`${place} is ${fault}: give values that JSON can hold, without lone surrogates`, checkJson)
      : argumentError(`${place} is not JSON: it throws, contains itself or has too many levels`, checkJson, { cause });
  }
}

function isJson(part: unknown): boolean {
  switch (typeof part) {
    case 'string':
      return !isHalved(part);
    case 'number':
      return Number.isFinite(part);
    case 'object':
      return part === null || Array.isArray(part) || isPlain(part);
    default:
      return typeof part === 'boolean' || part === undefined;
  }
}

/** Whether an object is of no class. Those of another realm (vm contexts, test runners) count as well. @internal */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (kindOf(value) === 'Object' && Object.getPrototypeOf(prototype) === null);
}

// Ends the snapshot of each metadata: no key is a number.
const END = 0;

// Bounds the walk through cycles, which `stringified` reports.
const SIMPLE_LEVELS = 20;
