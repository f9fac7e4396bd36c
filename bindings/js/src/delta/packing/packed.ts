// Changes that were packed or unpacked before and are usually unchanged, so that they need not be packed again.
import { Column, Header, OPERATIONS } from '../backend/backend';
import type { VectorChange } from '../change';
import { isMap } from '../check';

/** What was packed of changes, without their metadata and the components of their vectors. */
export interface Packed {
  /** Header and columns. */
  numbers: Float64Array;
  /** The lines of the text that come before the metadata. */
  head: string;
  shardId: string;
  vectorIds: readonly string[];
  keys: readonly string[];
  /** What the core made of all that and of this text, with the metadata. */
  made?: { text: string; columns: Uint8Array; checksum: string };
  /** As of `notesOf`: of the metadata in that text. */
  notes?: unknown[];
}

/** The first and the last change id that the header names. */
export interface Span {
  from: number;
  to: number;
}

/** Whether changes still equal what was packed of them. */
export function isUnchanged(
  { numbers, shardId, vectorIds, keys }: Packed,
  changes: readonly VectorChange[],
  { from, to }: Span,
): boolean {
  const count = changes.length;
  if (count !== vectorIds.length || from !== numbers[Header.from] || to !== numbers[Header.to]) return false;
  const entries = numbers[Header.entries]!;
  let site = Header.length + Column.length * count;
  for (let index = 0; index < count; index++) {
    const change = changes[index]!;
    const { vector, versionVector, dot } = change;
    if (change.shardId !== shardId || change.vectorId !== vectorIds[index] || !isMap(versionVector)) return false;
    // One column after the other, each of `count` numbers: in the order of `Column`.
    let at = Header.length + index;
    if (
      change.id !== numbers[at] ||
      change.operation !== OPERATIONS[numbers[(at += count)]!] ||
      change.timestamp !== numbers[(at += count)] ||
      change.sourceNode !== keys[numbers[(at += count)]!] ||
      (dot === undefined ? numbers[(at += count)] !== NO_DOT : dot.site !== keys[numbers[(at += count)]!]) ||
      // Empty or 0 differs from absent.
      (dot === undefined ? 0 : dot.seq || -1) !== numbers[(at += count)] ||
      versionVector.size !== numbers[(at += count)] ||
      (vector === undefined ? 0 : vector.length || -1) !== numbers[(at += count)] ||
      (change.metadata === undefined ? 0 : 1) !== numbers[(at += count)]
    ) {
      return false;
    }
    for (const [key, seq] of versionVector) {
      if (key !== keys[numbers[site]!] || seq !== numbers[site + entries]) return false;
      site++;
    }
  }
  return true;
}

/** The timestamp of the newest change. */
export function newest({ numbers, vectorIds: { length } }: Packed): number {
  const first = Header.length + Column.timestamp * length;
  return numbers.subarray(first, first + length).reduce((most, timestamp) => Math.max(most, timestamp), 0);
}

/** Where a change brings no dot, in place of the dot's site. */
export const NO_DOT = -1;
