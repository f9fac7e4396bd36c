// Unresolved conflicts: lists them, and resolves them by a call or by `onConflict`.
import { AsyncLocalStorage } from 'node:async_hooks';
import { codeOf, messageOf, native, nativeNow } from '../check/error';
import { type DatabaseHandle, isReadable } from '../database/handle';
import type { SyncEvent } from '../events/event';
import type { EventHub } from '../events/event-hub';
import type { Log } from '../events/logger';
import type { SyncResult } from '../sync/result';
import { type ConflictWinner, type SyncConflict, checkSameVector, checkWinner, conflictOf } from './conflict';

/**
 * Decides a conflict on this node: its answer is written as by `resolveConflict`. Null and undefined leave the conflict
 * unresolved. Whatever it throws is a 'syncError' event with the code ERR_CONFLICT_CALLBACK.
 */
export type ConflictCallback = (conflict: SyncConflict) => ConflictAnswer | Promise<ConflictAnswer>;
export type ConflictAnswer = ConflictWinner | null | undefined;

/** The unresolved conflicts of one engine's database, and what `onConflict` was asked about. @internal */
export class ConflictQueue {
  readonly #database: DatabaseHandle;
  readonly #callback: ConflictCallback | undefined;
  readonly #hub: EventHub;
  readonly #log: Log;
  readonly #tallies = new Set<Tally>();
  // By conflict id: the turn in which the callback was asked last, and the call that is running.
  readonly #asked = new Map<string, number>();
  readonly #asking = new Map<string, Promise<boolean>>();
  // Shards and peers whose live streams reported conflicts to ask about.
  readonly #noticed = new Map<string, Source>();
  #turn = 0;
  #isNoticing = false;
  #isClosed = false;
  // For databases in memory: the result of the last read.
  readonly #listed = new Map<string | undefined, SyncConflict[]>();

  constructor(
    database: DatabaseHandle,
    callback: ConflictCallback | undefined,
    hub: EventHub,
    log: Log,
  ) {
    this.#database = database;
    this.#callback = callback;
    this.#hub = hub;
    this.#log = log;
    if (callback !== undefined) hub.watch((event) => this.#hear(event));
  }

  /** The unresolved conflicts, read on the calling thread. */
  list(shardId: string | undefined): SyncConflict[] {
    const { native: database } = this.#database;
    if (!isReadable(this.#database)) return this.#listed.get(shardId) ?? [];
    const conflicts = nativeNow(() => database.conflicts(shardId)).map(conflictOf);
    if (database.path === null) this.#listed.set(shardId, conflicts);
    return conflicts;
  }

  /** Resolves a conflict with a given winner. */
  async resolve(conflictId: string, winner: ConflictWinner): Promise<void> {
    await this.#write(conflictId, winner, 'winner', 'resolveConflict');
  }

  /** Called once the engine is open: asks the callback about pending conflicts. */
  attach(): void {
    this.#notice({ shardId: undefined, peerAddress: '' });
  }

  /** Stops asking the callback. */
  close(): void {
    this.#isClosed = true;
  }

  /** Starts to count what the callback resolves. */
  begin(): Tally {
    const tally = { since: ++this.#turn, settled: new Map<string, string>() };
    this.#tallies.add(tally);
    return tally;
  }

  end(tally: Tally): void {
    this.#tallies.delete(tally);
  }

  /** Asks the callback about conflicts that syncs left, and adds its work to their results. Null without a callback. */
  settle(results: readonly SyncResult[], tally: Tally): Promise<void> | null {
    return this.#callback === undefined ? null : this.#settleAll(results, tally);
  }

  async #settleAll(results: readonly SyncResult[], tally: Tally): Promise<void> {
    for (const result of results) await this.#settle(result, tally);
  }

  // Never rejects.
  async #settle(result: SyncResult, tally: Tally): Promise<void> {
    const open = result.conflictsUnresolved.filter(
      ({ id }) => !tally.settled.has(id) && (this.#asking.has(id) || (this.#asked.get(id) ?? 0) < tally.since),
    );
    const asked = this.#askAll(open, result);
    // A sync within the callback would wait for itself.
    if (insideCallback.getStore() === undefined) await asked;
    const key = keyOf(result);
    for (const [id, source] of tally.settled) {
      if (source !== key) continue;
      result.conflictsResolved++;
      tally.settled.set(id, COUNTED);
    }
    if (result.conflictsUnresolved.length > 0) result.conflictsUnresolved = this.#leftOf(result, tally);
  }

  #leftOf({ shardId, conflictsUnresolved }: SyncResult, { settled }: Tally): SyncConflict[] {
    try {
      if (isReadable(this.#database)) return this.list(shardId);
    } catch {
      // The database was closed meanwhile.
    }
    return conflictsUnresolved.filter(({ id }) => !settled.has(id));
  }

  #hear(event: SyncEvent): void {
    if (event.type === 'conflict' && event.outcome === 'unresolved') this.#notice(event);
  }

  #notice(source: Source): void {
    if (this.#callback === undefined) return;
    this.#noticed.set(keyOf(source), source);
    if (!this.#isNoticing) void this.#askNoticed();
  }

  async #askNoticed(): Promise<void> {
    this.#isNoticing = true;
    for (const [key, source] of this.#noticed) {
      this.#noticed.delete(key);
      try {
        await this.#askAll(
          this.list(source.shardId).filter(({ id }) => !this.#asked.has(id)),
          source,
        );
      } catch (error) {
        if (!this.#isClosed) this.#fail(error, codeOf(error) ?? 'ERR_STORAGE', source);
      }
    }
    this.#isNoticing = false;
  }

  // A few at a time: a callback may call a service.
  async #askAll(conflicts: SyncConflict[], source: Source): Promise<void> {
    const rest = conflicts[Symbol.iterator]();
    const ask = async () => {
      for (const conflict of rest) {
        if (this.#isClosed) return;
        if (await this.#ask(conflict)) this.#count(conflict, source);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
  }

  #count({ id }: SyncConflict, source: Source): void {
    for (const { settled } of this.#tallies) if (!settled.has(id)) settled.set(id, keyOf(source));
  }

  /** Whether the callback resolved the conflict. It is asked about a conflict once at a time. */
  #ask(conflict: SyncConflict): Promise<boolean> {
    const { id } = conflict;
    const asking = this.#asking.get(id) ?? this.#decide(conflict).finally(() => this.#asking.delete(id));
    this.#asking.set(id, asking);
    return asking;
  }

  async #decide(conflict: SyncConflict): Promise<boolean> {
    this.#remember(conflict.id);
    const callback = this.#callback;
    try {
      const answer = await insideCallback.run(true, async () => callback?.(conflict));
      if (answer === null || answer === undefined || this.#isClosed) return false;
      checkSameVector('the answer', checkWinner('the answer', answer), conflict);
      const reopened = await this.#write(conflict.id, answer, 'the answer', 'onConflict');
      this.#asked.delete(conflict.id);
      // Another version arrived meanwhile.
      return reopened === null || (await this.#ask(reopened));
    } catch (error) {
      const code = codeOf(error);
      // It was resolved elsewhere meanwhile, or the engine is closed.
      if (code === 'ERR_NOT_FOUND' || this.#isClosed) return false;
      this.#fail(error, STORAGE.includes(code ?? '') ? code! : 'ERR_CONFLICT_CALLBACK', conflict);
      return false;
    }
  }

  /** Returns the conflict that is left if a version arrived that the caller had not seen. */
  async #write(conflictId: string, winner: ConflictWinner, name: string, by: string): Promise<SyncConflict | null> {
    const { shardId, vectorId, vector, metadata } = checkWinner(name, winner);
    const { native: database } = this.#database;
    const record = await native(database.resolveConflict(conflictId, shardId, vectorId, vector, metadata));
    const left = record && conflictOf(record);
    const rest = left === null ? '' : `; a version that arrived meanwhile is left as conflict ${left.id}`;
    const details = { conflictId, shardId, vectorId, by, operation: vector === undefined ? 'delete' : 'update' };
    this.#log.info(`conflict ${conflictId} of vector '${vectorId}' was resolved by ${by}${rest}`, details);
    return left;
  }

  #fail(cause: unknown, errorCode: string, of: { shardId?: string | undefined; vectorId?: string }): void {
    const where = of.vectorId === undefined ? '' : ` about vector '${of.vectorId}'`;
    const error = `onConflict failed${where}: ${messageOf(cause)}`;
    const details = { ...(of.shardId !== undefined && { shardId: of.shardId }), error, errorCode };
    this.#log.error(error, details);
    this.#hub.report({ ...details, cause });
  }

  #remember(id: string): void {
    this.#asked.delete(id);
    this.#asked.set(id, ++this.#turn);
    if (this.#asked.size <= MOST_REMEMBERED) return;
    const [oldest] = this.#asked.keys();
    this.#asked.delete(oldest!);
  }
}

/** What the callback resolves while a sync, or several at once, run. @internal */
export interface Tally {
  /** Conflicts that were asked about before this turn are asked about again. */
  readonly since: number;
  /** Conflicts that the callback resolved meanwhile, with the shard and peer of each. */
  readonly settled: Map<string, string>;
}

interface Source {
  readonly shardId: string | undefined;
  readonly peerAddress: string;
}

function keyOf({ shardId, peerAddress }: Source): string {
  return JSON.stringify([shardId, peerAddress]);
}

const insideCallback = new AsyncLocalStorage<true>();
const COUNTED = '';
const AT_ONCE = 8;
const MOST_REMEMBERED = 10_000;
const STORAGE: readonly string[] = ['ERR_BUSY', 'ERR_STORAGE', 'ERR_TRANSACTION'];
