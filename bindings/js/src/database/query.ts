// Values between JavaScript and SQLite.
import { argumentError, outOfRange, wrongType } from '../check/error';
import { DAY_MS, MAX_U32, checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkText } from '../check/text';
import { type AbortSignalLike, checkSignal } from '../lifecycle/abort';
import type { QueryLimits, QueryRows } from '../native/native';

type Cell = QueryRows['cells'][number];

export interface QueryOptions {
  /** Ends the query early with ERR_ABORTED. */
  signal?: AbortSignalLike;
  /** ERR_TIMEOUT for a query that takes longer. Default: none. */
  timeoutMs?: number;
  /** ERR_LIMIT for a result with more rows. Default: 1,000,000. */
  maxRows?: number;
  /** ERR_LIMIT for a result whose values take more bytes, 16 each beside their text or blob. Default: 256 MiB. */
  maxBytes?: number;
}

/** The addon's form of options, and the signal. @internal */
export function checkQuery(options: unknown): { limits: QueryLimits; signal: AbortSignalLike | undefined } {
  const given = checkOptions<QueryOptions>('options', options, ['signal', 'timeoutMs', 'maxRows', 'maxBytes']);
  const limits: QueryLimits = {
    timeoutMs: checkOptionalInteger('options.timeoutMs', given.timeoutMs, 1, DAY_MS),
    maxRows: checkOptionalInteger('options.maxRows', given.maxRows, 1, MAX_U32),
    maxBytes: checkOptionalInteger('options.maxBytes', given.maxBytes, 1, MAX_U32),
  };
  return { limits, signal: checkSignal('options.signal', given.signal) };
}

/** Parameters of a statement, in their order. @internal */
export function checkParameters(name: string, value: unknown): Cell[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrongType(name, 'an array', value);
  return value.map((parameter: unknown, index) => cell(`${name}[${index}]`, parameter));
}

/** Rows as plain objects. Of columns with the same name the last one wins. */
export function rowsOf({ columns, cells }: QueryRows): Array<Record<string, unknown>> {
  const rows: Array<Record<string, unknown>> = [];
  for (let at = 0; at < cells.length; at += columns.length) {
    rows.push(Object.fromEntries(columns.map((column, index) => [column, cells[at + index]])));
  }
  return rows;
}

function cell(name: string, value: unknown): Cell {
  switch (typeof value) {
    case 'string':
      return checkText(name, value);
    case 'boolean':
      return value ? 1 : 0;
    case 'number':
      if (!Number.isFinite(value)) throw outOfRange(name, 'a finite number', value);
      return value;
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value) throw outOfRange(name, 'an integer of 64 bits', value);
      return value;
    case 'object':
      if (value === null) return null;
      if (ArrayBuffer.isView(value))
        return Uint8Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
      break;
  }
  if (value === undefined) throw argumentError(`${name} is undefined: give null for SQL's NULL`);
  throw wrongType(name, 'null, a number, a bigint, a boolean, a string or bytes', value);
}
