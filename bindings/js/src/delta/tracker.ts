// Conflicts that are not resolved yet.
import { VectrError, argumentError, describe, wrongType } from '../check/error';
import { checkText } from '../check/text';
import type { SyncConflict, VectorChange } from './change';
import { checkChange, inArray } from './check';
import { MAX_VECTOR_ID_BYTES, checkId, checkName } from './name';

/** Remembers conflicts by their ids until they are resolved. */
export class ConflictTracker {
  readonly #unresolved = new Map<string, SyncConflict>();

  /** Adds a conflict, replacing one with the same id. */
  addConflict(conflict: SyncConflict): void {
    const checked = checkConflict(conflict);
    this.#unresolved.set(checked.id, checked);
  }

  /** All conflicts, in the order in which they were first added. */
  getUnresolved(): SyncConflict[] {
    return [...this.#unresolved.values()];
  }

  /** The conflicts of a shard. */
  getForShard(shardId: string): SyncConflict[] {
    const shard = checkId('shardId', shardId);
    return this.getUnresolved().filter((conflict) => conflict.shardId === shard);
  }

  /** Removes a conflict that was resolved with `winner`, any change of the same vector.
   *  @throws ERR_NOT_FOUND for an unknown conflict. */
  resolveConflict(conflictId: string, winner: VectorChange): void {
    const id = checkText('conflictId', conflictId);
    const conflict = this.#unresolved.get(id);
    if (conflict === undefined) {
      throw new VectrError('ERR_NOT_FOUND', `conflict ${describe(id)} is not among the ${this.count()} unresolved ones`);
    }
    checkChange('winner', winner, conflict.shardId);
    if (winner.vectorId !== conflict.vectorId) {
      const other = `winner.vectorId is ${describe(winner.vectorId)}`;
      throw new VectrError('ERR_ARGUMENT', `${other}: give a change of ${describe(conflict.vectorId)}`);
    }
    this.#unresolved.delete(id);
  }

  /** Removes all conflicts. */
  clear(): void {
    this.#unresolved.clear();
  }

  /** The number of unresolved conflicts. */
  count(): number {
    return this.#unresolved.size;
  }
}

function checkConflict(value: unknown): SyncConflict {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType('conflict', 'a conflict', value);
  }
  const { id, shardId, vectorId, localChange, remoteChange, versions } = value as Record<string, unknown>;
  if (checkText('conflict.id', id) === '') throw argumentError("conflict.id is '': give the id that the resolver gave");
  const shard = checkId('conflict.shardId', shardId);
  checkName('conflict.vectorId', vectorId, MAX_VECTOR_ID_BYTES);
  checkChange('conflict.localChange', localChange, shard);
  checkChange('conflict.remoteChange', remoteChange, shard);
  if (versions !== undefined) {
    if (!Array.isArray(versions)) throw wrongType('conflict.versions', 'an array of changes', versions);
    const nameOf = inArray('conflict.versions');
    versions.forEach((version, index) => checkChange(nameOf(index), version, shard));
  }
  return value as SyncConflict;
}
