// Conflicts as users see them, and the winners that users give.
import { VectrError, argumentError, describe, wrongType } from '../check/error';
import { checkMetadata, parseMetadata } from '../check/metadata';
import { checkText, checkWord } from '../check/text';
import { checkVector } from '../check/vector';
import type { SyncConflict, VectorChange } from '../delta/change';
import type { ChangeRecord, ConflictRecord, ConflictRecords } from '../native/native';

export type { ChangeOperation, ConflictStrategy, SyncConflict, VectorChange } from '../delta/change';

/**
 * Replaces all versions of a conflict: one of them, or any other change. Its vector and metadata are written; with the
 * operation 'delete', or without operation and vector, the vector is deleted.
 */
export type ConflictWinner = Pick<VectorChange, 'shardId' | 'vectorId'> & Partial<VectorChange>;

/** A winner that can be written; without a vector it deletes. @internal */
export interface CheckedWinner {
  shardId: string;
  vectorId: string;
  vector: Float32Array | undefined;
  /** JSON text. */
  metadata: string | undefined;
}

/** From the addon's form. @internal */
export function conflictsOf({ conflicts, vectors }: ConflictRecords): SyncConflict[] {
  let next = 0;
  // A copy each, so that its buffer holds nothing else.
  const take = (dimensions: number) => vectors.slice(next, (next += dimensions));
  return conflicts.map((record) => {
    const versions = record.versions.map((version) => changeOf(version, record, take));
    return {
      id: record.id,
      shardId: record.shardId,
      vectorId: record.vectorId,
      // A conflict has at least two versions.
      localChange: versions.at(-1)!,
      remoteChange: versions.at(-2)!,
      versions,
      detectedAt: record.detectedAt,
    };
  });
}

/** A change of a vector, as far as a winner needs one. @internal */
export function checkWinner(name: string, value: unknown): CheckedWinner {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, 'a change', value);
  const { shardId, vectorId, operation, vector, metadata } = value as Record<string, unknown>;
  const of = { shardId: checkText(`${name}.shardId`, shardId), vectorId: checkText(`${name}.vectorId`, vectorId) };
  const does = operation === undefined ? undefined : checkWord(`${name}.operation`, operation, KNOWN);
  if (does === 'delete' || (does === undefined && vector === undefined)) {
    return { ...of, vector: undefined, metadata: undefined };
  }
  if (vector === undefined) {
    throw argumentError(`${name}.vector is undefined: give the vector to write, or the operation 'delete'`);
  }
  return {
    ...of,
    vector: checkVector(`${name}.vector`, vector),
    metadata: checkMetadata(`${name}.metadata`, metadata),
  };
}

/** Throws unless a winner is of the conflict's vector. @internal */
export function checkSameVector(name: string, winner: CheckedWinner, conflict: SyncConflict): void {
  for (const key of ['shardId', 'vectorId'] as const) {
    if (winner[key] === conflict[key]) continue;
    const found = `${name}.${key} is ${describe(winner[key])}`;
    throw new VectrError('ERR_ARGUMENT', `${found}, but conflict ${conflict.id} is of ${describe(conflict[key])}`);
  }
}

function changeOf(
  { site, seq, dimensions, metadata, history, ...version }: ChangeRecord,
  record: ConflictRecord,
  take: (dimensions: number) => Float32Array,
): VectorChange {
  const described = parseMetadata(metadata);
  return {
    id: record.changeId,
    shardId: record.shardId,
    vectorId: record.vectorId,
    ...version,
    ...(dimensions !== undefined && { vector: take(dimensions) }),
    ...(described && { metadata: described }),
    versionVector: new Map(history),
    dot: { site, seq },
  };
}

const KNOWN: readonly string[] = ['insert', 'update', 'delete'];
