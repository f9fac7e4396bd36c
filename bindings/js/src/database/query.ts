// Values between JavaScript and SQLite.
import { argumentError, outOfRange, wrongType } from '../check/error';
import { checkText } from '../check/text';
import type { QueryRows } from '../native/native';

type Cell = QueryRows['cells'][number];

/** Parameters of a statement, in their order. */
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
