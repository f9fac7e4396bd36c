// Events that wait for a reader.
import { type AbortSignalLike, abortedError, onAbort } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { type SyncEvent, type SyncEvents, mergedEvent } from './event';

/**
 * An iterator over events from now on. Waiting events are merged by kind, shard and peer: a slow reader gets the totals,
 * and the queue never holds more than one event of each.
 @internal */
export class EventQueue implements SyncEvents {
  readonly #waiting = new Map<string, SyncEvent>();
  readonly #signal: AbortSignalLike | undefined;
  readonly #onEnd: (queue: EventQueue) => void;
  // Replaced below, unless the signal has aborted already.
  #forgetSignal = () => {};
  #readers: Array<() => void> = [];
  #isEnded = false;
  #isAborted = false;

  /** @param onEnd is called once, when nothing more can be read. */
  constructor(signal: AbortSignalLike | undefined, onEnd: (queue: EventQueue) => void) {
    this.#signal = signal;
    this.#onEnd = onEnd;
    if (signal !== undefined) this.#forgetSignal = onAbort(signal, () => this.#abort());
  }

  /** Adds an event. */
  push(event: SyncEvent): void {
    if (this.#isEnded) return;
    const key = JSON.stringify([event.type, event.shardId, event.peerAddress]);
    const earlier = this.#waiting.get(key);
    this.#waiting.set(key, earlier === undefined ? event : mergedEvent(earlier, event));
    this.#readers.shift()?.();
  }

  /** Ends the queue; waiting events can still be read. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#forgetSignal();
    this.#onEnd(this);
    for (const wake of this.#readers.splice(0)) wake();
  }

  /** The next event. Rejects once with ERR_ABORTED after an abort. */
  async next(): Promise<IteratorResult<SyncEvent, undefined>> {
    while (this.#waiting.size === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
    if (this.#isAborted) {
      this.#isAborted = false;
      // Created here, so that its stack leads to the reader.
      throw abortedError(this.#signal!);
    }
    for (const [key, value] of this.#waiting) {
      this.#waiting.delete(key);
      return { done: false, value };
    }
    return { done: true, value: undefined };
  }

  /** `break` ends it. */
  async return(): Promise<IteratorResult<SyncEvent, undefined>> {
    this.#waiting.clear();
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** `await using` ends it. */
  async [asyncDispose](): Promise<void> {
    await this.return();
  }

  #abort(): void {
    if (this.#isEnded) return;
    this.#isAborted = true;
    this.#waiting.clear();
    this.end();
  }
}
