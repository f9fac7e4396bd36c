// Lists unresolved conflicts, and resolves them by a call.
import { native, nativeNow } from '../check/error';
import { type DatabaseHandle, isReadable } from '../database/handle';
import { type Log, logResolution } from '../events/logger';
import { type ConflictWinner, type SyncConflict, checkWinner, conflictsOf } from './conflict';

/** The unresolved conflicts of one engine's database. @internal */
export class UnresolvedConflicts {
  readonly #database: DatabaseHandle;
  readonly #log: Log;
  // For databases in memory: the result of the last read.
  readonly #listed = new Map<string | undefined, SyncConflict[]>();

  constructor(database: DatabaseHandle, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  /** Reads on the calling thread. */
  list(shardId: string | undefined): SyncConflict[] {
    const { native: database } = this.#database;
    if (!isReadable(this.#database)) return this.#listed.get(shardId) ?? [];
    const conflicts = conflictsOf(nativeNow(() => database.conflicts(shardId)));
    if (database.path === null) this.#listed.set(shardId, conflicts);
    return conflicts;
  }

  /** Resolves a conflict with a given winner. */
  async resolve(conflictId: string, winner: ConflictWinner): Promise<void> {
    const checked = checkWinner('winner', winner);
    const { shardId, vectorId, vector, metadata } = checked;
    const { native: database } = this.#database;
    const left = await native(database.resolveConflict(conflictId, shardId, vectorId, vector, metadata));
    logResolution(this.#log, 'resolveConflict', conflictId, checked, left ?? undefined);
  }
}
