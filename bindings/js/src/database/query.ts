// Values between JavaScript and SQLite.
import { argumentError, describe, outOfRange, wrongType } from '../check/error';
import { DAY_MS, MAX_U32, checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkText } from '../check/text';
import { type AbortSignalLike, checkSignal } from '../lifecycle/abort';
import { inParts } from '../lifecycle/turn';
import type { NativeRows, QueryLimits } from '../native/native';

type Cell = ReturnType<NativeRows['take']>[number];

export interface QueryOptions {
  /** Ends the query early with ERR_ABORTED, or the conversion of its result. */
  signal?: AbortSignalLike;
  /** ERR_TIMEOUT for a query that takes longer, with the conversion of its result. Default: none. */
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
  // Holes are undefined here, as everywhere but for `map`.
  return Array.from(value, (parameter: unknown, index) => cell(`${name}[${index}]`, parameter));
}

/** A statement. SQLite would ignore what stands behind a NUL. @internal */
export function checkStatement(name: string, value: unknown): string {
  const sql = checkText(name, value);
  const at = sql.indexOf('\0');
  if (at >= 0) throw argumentError(`${name} has a NUL at ${at}: give SQL without one, and values as params`);
  return sql;
}

/** Rows as plain objects, made in parts; `check` throws once the call has to end. @internal */
export async function rowsOf(native: NativeRows, check: () => void): Promise<Array<Record<string, unknown>>> {
  const { columns } = native;
  const doubled = columns.find((column, index) => columns.indexOf(column) !== index);
  if (doubled !== undefined) {
    const reason = `the result has several columns called ${describe(doubled)}, of which an object can hold only one`;
    throw argumentError(`${reason}: give them other names with AS`);
  }
  const rows: Array<Record<string, unknown>> = [];
  const takePart = () => {
    const cells = native.take();
    for (let at = 0; at < cells.length; at += columns.length) {
      rows.push(Object.fromEntries(columns.map((column, index) => [column, cells[at + index]])));
    }
  };
  await inParts(native, takePart, check);
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
