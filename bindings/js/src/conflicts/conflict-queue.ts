// Conflicts that no rule settles: listed, settled by whoever calls, or by a callback.
import { AsyncLocalStorage } from 'node:async_hooks';
import { codeOf, messageOf, native, nativeNow } from '../check/error';
import { type DatabaseHandle, isReadable } from '../database/handle';
import type { SyncEvent } from '../events/event';
import type { EventHub } from '../events/event-hub';
import type { Log } from '../events/logger';
import type { SyncResult } from '../sync/result';
import { type ConflictWinner, type SyncConflict, checkSameVector, checkWinner, conflictOf } from './conflict';

/**
 * Decides a conflict, on this node: what it answers is written as `resolveConflict` would. Null and undefined leave
 * the conflict to others. What it throws is a 'syncError' event with the code ERR_CONFLICT_CALLBACK.
 */
export type ConflictCallback = (conflict: SyncConflict) => ConflictAnswer | Promise<ConflictAnswer>;
export type ConflictAnswer = ConflictWinner | null | undefined;

/** Of one engine. @internal */
export class ConflictQueue {
  readonly #database: DatabaseHandle;
  readonly #callback: ConflictCallback | undefined;
  readonly #hub: EventHub;
  readonly #log: Log;
  readonly #rounds = new Set<Round>();
  // By conflict: when it was asked about last, and the asking that goes on.
  readonly #asked = new Map<string, number>();
  readonly #asking = new Map<string, Promise<boolean>>();
  // Shards and peers of which a stream told, to be asked about.
  readonly #noticed = new Map<string, Source>();
  #turn = 0;
  #isNoticing = false;
  #isClosed = false;
  // In memory, what was read last.
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

  /** What someone has to settle, read on the calling thread. */
  list(shardId: string | undefined): SyncConflict[] {
    const { native: database } = this.#database;
    if (!isReadable(this.#database)) return this.#listed.get(shardId) ?? [];
    const conflicts = nativeNow(() => database.conflicts(shardId)).map(conflictOf);
    if (database.path === null) this.#listed.set(shardId, conflicts);
    return conflicts;
  }

  /** Settles a conflict as a person decided. */
  async resolve(conflictId: string, winner: ConflictWinner): Promise<void> {
    await this.#write(conflictId, winner, 'winner', 'resolveConflict');
  }

  /** The engine is open: the callback hears of what waits for it. */
  attach(): void {
    this.#notice({ shardId: undefined, peerAddress: '' });
  }

  /** Nothing is asked any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** From here on it is counted what the callback settles. */
  begin(): Round {
    const round = { since: ++this.#turn, settled: new Map<string, string>() };
    this.#rounds.add(round);
    return round;
  }

  end(round: Round): void {
    this.#rounds.delete(round);
  }

  /** Asks the callback about what syncs have left: their results count what it settled. Null without a callback. */
  settle(results: readonly SyncResult[], round: Round): Promise<void> | null {
    return this.#callback === undefined ? null : this.#settleAll(results, round);
  }

  async #settleAll(results: readonly SyncResult[], round: Round): Promise<void> {
    for (const result of results) await this.#settle(result, round);
  }

  // Never rejects.
  async #settle(result: SyncResult, round: Round): Promise<void> {
    const open = result.conflictsUnresolved.filter(
      ({ id }) => !round.settled.has(id) && (this.#asking.has(id) || (this.#asked.get(id) ?? 0) < round.since),
    );
    const asked = this.#askAll(open, result);
    // A callback that syncs would wait for itself.
    if (insideCallback.getStore() === undefined) await asked;
    const key = keyOf(result);
    for (const [id, source] of round.settled) {
      if (source !== key) continue;
      result.conflictsResolved++;
      round.settled.set(id, COUNTED);
    }
    if (result.conflictsUnresolved.length > 0) result.conflictsUnresolved = this.#leftOf(result, round);
  }

  #leftOf({ shardId, conflictsUnresolved }: SyncResult, { settled }: Round): SyncConflict[] {
    try {
      if (isReadable(this.#database)) return this.list(shardId);
    } catch {
      // Closed meanwhile.
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

  // A few at a time: a callback may be a question to a service.
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
    for (const { settled } of this.#rounds) if (!settled.has(id)) settled.set(id, keyOf(source));
  }

  /** Whether the conflict is settled now by the callback. Nobody is asked twice at a time. */
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
      // Another version came while it thought.
      return reopened === null || (await this.#ask(reopened));
    } catch (error) {
      const code = codeOf(error);
      // Settled elsewhere meanwhile, or nobody is there any more.
      if (code === 'ERR_NOT_FOUND' || this.#isClosed) return false;
      this.#fail(error, STORAGE.includes(code ?? '') ? code! : 'ERR_CONFLICT_CALLBACK', conflict);
      return false;
    }
  }

  /** The conflict that is left, because a version came that the caller had not seen. */
  async #write(conflictId: string, winner: ConflictWinner, name: string, by: string): Promise<SyncConflict | null> {
    const { shardId, vectorId, vector, metadata } = checkWinner(name, winner);
    const { native: database } = this.#database;
    const record = await native(database.resolveConflict(conflictId, shardId, vectorId, vector, metadata));
    const left = record && conflictOf(record);
    const rest = left === null ? '' : `; a version that it did not show is left as conflict ${left.id}`;
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

/** One sync, or several at once, while the callback may settle things. @internal */
export interface Round {
  /** What was asked about before is asked about again. */
  readonly since: number;
  /** Conflicts that the callback settled meanwhile, with where each came from. */
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
