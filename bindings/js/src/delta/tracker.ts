// Conflicts that are not resolved yet.
import { VectrError, argumentError, describe, outOfRange } from '../check/error';
import { checkText } from '../check/text';
import type { SyncConflict, VectorChange } from './change';
import { checkArray, checkObject } from './check';
import { MAX_VECTOR_ID_BYTES, checkId, checkName } from './name';

/** Remembers conflicts by their ids until they are resolved. */
export class ConflictTracker {
  readonly #unresolved = new Map<string, SyncConflict>();

  /** Adds a conflict, replacing one with the same id. Its changes are kept as they are, and may lack fields. */
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

  /** Removes a conflict that was resolved with `winner`, any change of the same vector, which may lack fields.
   *  @throws ERR_NOT_FOUND for an unknown conflict. */
  resolveConflict(conflictId: string, winner: VectorChange): void {
    const id = checkText('conflictId', conflictId);
    const conflict = this.#unresolved.get(id);
    if (conflict === undefined) {
      throw new VectrError('ERR_NOT_FOUND', `conflict ${describe(id)} is not among the ${this.count()} unresolved ones`);
    }
    const given = checkObject('winner', winner, 'a change');
    for (const key of ['shardId', 'vectorId'] as const) {
      if (given[key] !== undefined && given[key] !== conflict[key])
        throw outOfRange(`winner.${key}`, `a change of ${describe(conflict[key])}`, given[key]);
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
  const conflict = checkObject('conflict', value, 'a conflict');
  const { id, shardId, vectorId, localChange, remoteChange, versions = [] } = conflict;
  if (checkText('conflict.id', id) === '') throw argumentError("conflict.id is '': give the id that the resolver gave");
  checkId('conflict.shardId', shardId);
  checkName('conflict.vectorId', vectorId, MAX_VECTOR_ID_BYTES);
  checkObject('conflict.localChange', localChange, 'a change');
  checkObject('conflict.remoteChange', remoteChange, 'a change');
  checkArray('conflict.versions', versions, 'changes');
  return value as SyncConflict;
}
