// `onConflict`: the addon says what to ask when, and writes the answers.
import { VectrError, native, nativeNow } from '../check/error';
import { messageOf } from '../check/thrown';
import type { EventHub } from '../events/event-hub';
import { type Log, logResolution } from '../events/logger';
import { type AbortSignalLike, isSettledFirst } from '../lifecycle/abort';
import { weakCall } from '../lifecycle/weak-call';
import { asyncHooks } from '../native/builtins';
import type {
  AnswerOutcome,
  ConflictFailure,
  NativeExchange,
  NativeQuestion,
  NativeSync,
} from '../native/native';
import { type ConflictWinner, type SyncConflict, checkSameVector, checkWinner, conflictsOf } from './conflict';

/**
 * Decides a conflict on this node: its answer is written as by `resolveConflict`. Null and undefined leave the conflict
 * unresolved. Whatever it throws is a 'syncError' event with the code ERR_CONFLICT_CALLBACK.
 */
export type ConflictCallback = (conflict: SyncConflict) => ConflictAnswer | Promise<ConflictAnswer>;
export type ConflictAnswer = ConflictWinner | null | undefined;

/**
 * Calls the `onConflict` of one engine. While the addon has something to do for it, a promise of the addon keeps the
 * process alive; while only a callback is waited for, nothing does.
 * @internal */
export class ConflictCaller {
  readonly #callback: ConflictCallback;
  readonly #hub: EventHub;
  readonly #log: Log;
  #engine: NativeSync | null = null;
  #isClosed = false;
  #nextAnswer = new Signal();

  constructor(callback: ConflictCallback, hub: EventHub, log: Log) {
    this.#callback = callback;
    this.#hub = hub;
    this.#log = log;
  }

  /** Asks about the pending conflicts of an engine that was opened, and about new ones. */
  attach(engine: NativeSync): void {
    this.#engine = engine;
    const wake = weakCall(this, (caller) => caller.#take());
    nativeNow(() => engine.onConflict(wake));
    void this.#takeAll();
  }

  /** Stops asking. */
  close(): void {
    this.#isClosed = true;
  }

  /** Waits for the decisions about what syncs left, but not within the callback; then their results are there. A signal
   *  that aborts makes the addon look again. */
  async settle(exchange: NativeExchange, signals: Array<AbortSignalLike | undefined>): Promise<void> {
    const waits = insideCallback.getStore() === undefined;
    for (;;) {
      // Taken first: the answer may come while the addon looks.
      const { promise } = this.#nextAnswer;
      const isSettled = await native(exchange.settle(waits));
      this.#take();
      if (isSettled) return;
      await isSettledFirst(promise, signals);
    }
  }

  async #takeAll(): Promise<void> {
    await this.#engine?.conflictsAsked();
    this.#take();
  }

  #take(): void {
    if (this.#engine === null || this.#isClosed) return;
    const { questions, failures } = this.#engine.takeConflicts();
    for (const failure of failures) this.#fail(failure);
    for (const question of questions) void this.#ask(question);
  }

  async #ask(question: NativeQuestion): Promise<void> {
    const [conflict] = conflictsOf(question.conflict) as [SyncConflict];
    try {
      const answer = await insideCallback.run(true, async () => this.#callback(conflict));
      await this.#answer(question, conflict, answer);
    } catch (cause) {
      const { failure } = await native(question.answer('fail'));
      if (failure) this.#fail(failure, conflict, { cause });
    }
    this.#nextAnswer.give();
    this.#nextAnswer = new Signal();
    await this.#takeAll();
  }

  async #answer(question: NativeQuestion, conflict: SyncConflict, answer: ConflictAnswer): Promise<void> {
    if (answer === null || answer === undefined) {
      await native(question.answer('leave'));
      return;
    }
    const winner = checkWinner('the answer', answer);
    checkSameVector('the answer', winner, conflict);
    const outcome: AnswerOutcome = await native(question.answer('write', winner.vector, winner.metadata));
    if (outcome.resolved) logResolution(this.#log, 'onConflict', conflict.id, winner, outcome.left);
    if (outcome.failure) this.#fail(outcome.failure, conflict);
  }

  #fail(failure: ConflictFailure, conflict?: SyncConflict, thrown?: { cause: unknown }): void {
    const { shardId, errorCode } = failure;
    const { cause } = thrown ?? { cause: new VectrError(failure.causeCode, failure.cause) };
    const about = conflict === undefined ? '' : ` about vector '${conflict.vectorId}'`;
    const error = `onConflict failed${about}: ${messageOf(cause)}`;
    const details = { ...(shardId !== undefined && { shardId }), error, errorCode };
    this.#log.error(error, details);
    this.#hub.report({ ...details, cause });
  }
}

class Signal {
  give = () => {};
  readonly promise = new Promise<void>((resolve) => {
    this.give = resolve;
  });
}

const insideCallback = new asyncHooks.AsyncLocalStorage<true>();
