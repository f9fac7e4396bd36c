// Events that wait for a reader.
import { type AbortSignalLike, abortedError, onAbort } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { weakCall } from '../lifecycle/weak-call';
import type { NativeSubscription, NativeSync } from '../native/native';
import { type SyncErrorEvent, type SyncEvent, type SyncEvents, eventOf } from './event';

/**
 * An iterator over events from now on. The addon merges waiting events by kind, shard and peer, so a slow reader gets the
 * totals, and the queue never holds more than one event of each.
 * @internal */
export class EventQueue implements SyncEvents {
  readonly #signal: AbortSignalLike | undefined;
  readonly #onEnd: (queue: EventQueue) => void;
  // Failures that the addon does not know, the last of each shard and peer.
  readonly #failures = new Map<string, SyncErrorEvent>();
  #subscription: NativeSubscription | null = null;
  // Replaced below, unless the signal has aborted already.
  #forgetSignal = () => {};
  #readers: Array<() => void> = [];
  #isEnded = false;
  #isAborted = false;

  /** @param onEnd is called once, when nothing more can arrive. */
  constructor(signal: AbortSignalLike | undefined, onEnd: (queue: EventQueue) => void) {
    this.#signal = signal;
    this.#onEnd = onEnd;
    if (signal !== undefined) this.#forgetSignal = onAbort(signal, () => this.#abort());
  }

  /** Sets the engine that events come from. */
  attach(engine: NativeSync): void {
    this.#subscription = engine.subscribe(weakCall(this, (queue) => queue.#wake()));
  }

  /** Adds a failure that the addon does not know. */
  push(failure: SyncErrorEvent): void {
    this.#failures.set(JSON.stringify([failure.shardId, failure.peerAddress]), failure);
    this.#wake();
  }

  /** Ends the queue; waiting events can still be read. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#forgetSignal();
    this.#onEnd(this);
    this.#wake();
  }

  /** The next event. Rejects once with ERR_ABORTED after an abort. */
  async next(): Promise<IteratorResult<SyncEvent, undefined>> {
    for (;;) {
      if (this.#isAborted) {
        this.#isAborted = false;
        // Created here, so that its stack leads to the reader.
        throw abortedError(this.#signal!);
      }
      const value = this.#take();
      if (value !== null) return { done: false, value };
      if (this.#isEnded) return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
  }

  /** `break` ends it. */
  async return(): Promise<IteratorResult<SyncEvent, undefined>> {
    this.#drop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** `await using` ends it. */
  async [asyncDispose](): Promise<void> {
    await this.return();
  }

  #take(): SyncEvent | null {
    for (let record = this.#subscription?.poll(); record; record = this.#subscription?.poll()) {
      const event = eventOf(record);
      if (event.type !== 'repair') return event;
    }
    for (const [key, failure] of this.#failures) {
      this.#failures.delete(key);
      return failure;
    }
    return null;
  }

  #wake(): void {
    for (const wake of this.#readers.splice(0)) wake();
  }

  #abort(): void {
    if (this.#isEnded) return;
    this.#isAborted = true;
    this.#drop();
  }

  #drop(): void {
    this.#subscription?.stop();
    this.#subscription = null;
    this.#failures.clear();
    this.end();
  }
}
