// Concurrent versions of one vector, as users see them.
import type { SyncConflict, VectorChange } from './delta/change';
import { parseMetadata } from './metadata';
import type { ChangeRecord, ConflictRecord } from './native';

export type { ChangeOperation, ConflictStrategy, SyncConflict, VectorChange } from './delta/change';

/** From the addon's form. */
export function conflictOf(record: ConflictRecord): SyncConflict {
  const versions = record.versions.map((version) => changeOf(version, record));
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
}

function changeOf(
  { site, seq, vector, metadata, history, ...version }: ChangeRecord,
  record: ConflictRecord,
): VectorChange {
  const described = parseMetadata(metadata);
  return {
    id: record.changeId,
    shardId: record.shardId,
    vectorId: record.vectorId,
    ...version,
    ...(vector && { vector }),
    ...(described && { metadata: described }),
    versionVector: new Map(history),
    dot: { site, seq },
  };
}
