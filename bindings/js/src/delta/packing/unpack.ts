// Unpacks changes from the core: flat arrays become objects, whose vectors are views of one block.
import { VectrError } from '../../check/error';
import type { Metadata } from '../../check/metadata';
import { Column, type FlatChanges, Header, OPERATIONS, backend } from '../backend/backend';
import type { VectorChange } from '../change';

/** The parts of the text. @internal */
export interface Lines {
  shardId: string;
  vectorIds: string[];
  keys: string[];
  /** JSON texts, of those changes that have metadata. */
  metadata: string[];
}

/** Splits the text. @internal */
export function linesOf({ numbers, text }: FlatChanges): Lines {
  const lines = text.split('\n');
  const ids = 1 + numbers[Header.count]!;
  const keys = ids + numbers[Header.keys]!;
  return {
    shardId: lines[0]!,
    vectorIds: lines.slice(1, ids),
    keys: lines.slice(ids, keys),
    metadata: lines.slice(keys),
  };
}

/** The changes, in their order. Their vectors are views of one block of memory. @internal */
export function unpackChanges(flat: FlatChanges, lines: Lines = linesOf(flat)): VectorChange[] {
  const { numbers } = flat;
  const { shardId, vectorIds, keys } = lines;
  const count = vectorIds.length;
  const entries = numbers[Header.entries]!;
  const metadata = parsedMetadata(lines.metadata);
  const { buffer } = flat.vectors;
  let start = flat.vectors.byteOffset;
  const changes: VectorChange[] = new Array(count);
  let site = Header.length + Column.length * count;
  let described = 0;
  for (let index = 0; index < count; index++) {
    // One column after the other, each of `count` numbers: in the order of `Column`.
    let at = Header.length + index;
    const id = numbers[at]!;
    const operation = numbers[(at += count)]!;
    const timestamp = numbers[(at += count)]!;
    const source = numbers[(at += count)]!;
    const dotSite = numbers[(at += count)]!;
    const dotSeq = numbers[(at += count)]!;
    const last = site + numbers[(at += count)]!;
    const dimensions = numbers[(at += count)]!;
    const hasMetadata = numbers[(at += count)]! === 1;
    const versionVector = new Map<string, number>();
    for (; site < last; site++) versionVector.set(keys[numbers[site]!]!, numbers[site + entries]!);
    const change: VectorChange = {
      id,
      operation: OPERATIONS[operation]!,
      shardId,
      vectorId: vectorIds[index]!,
      timestamp,
      sourceNode: keys[source]!,
      versionVector,
    };
    if (dimensions > 0) {
      // Allocating a block for each would take longer than everything else.
      change.vector = new Float32Array(buffer, start, dimensions);
      start += dimensions * Float32Array.BYTES_PER_ELEMENT;
    }
    if (hasMetadata) change.metadata = metadata[described++]!;
    if (dotSite >= 0) change.dot = { site: keys[dotSite]!, seq: dotSeq };
    changes[index] = change;
  }
  return changes;
}

/** All components of all vectors, vector after vector. @internal */
export function componentsOf({ vectors }: FlatChanges): Float32Array {
  return new Float32Array(vectors.buffer, vectors.byteOffset, vectors.byteLength / Float32Array.BYTES_PER_ELEMENT);
}

/** Parses JSON texts, all at once, which is far faster than one by one. @internal */
export function parsedMetadata(texts: string[]): Metadata[] {
  try {
    return backend().readUniformMetadata?.(texts) ?? (JSON.parse(`[${texts.join(',')}]`) as Metadata[]);
  } catch (cause) {
    throw new VectrError('ERR_PROTOCOL', 'the delta holds metadata that is not JSON: get it from its source again', {
      cause,
    });
  }
}
