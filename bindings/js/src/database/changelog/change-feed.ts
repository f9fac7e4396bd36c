// The changes of a shard, as they are applied.
import { codeMethods } from '../../check/coded';
import { native, nativeNow } from '../../check/error';
import { checkOptionalInteger } from '../../check/number';
import { checkOptions } from '../../check/options';
import { checkOptionalText } from '../../check/text';
import type { VectorChange } from '../../delta/change';
import { unpackChanges } from '../../delta/packing/unpack';
import { type AbortSignalLike, abortedError, checkSignal, onAbort } from '../../lifecycle/abort';
import { asyncDispose } from '../../lifecycle/disposal';
import { weakCall } from '../../lifecycle/weak-call';
import type { NativeChangeFeed } from '../../native/native';
import type { ShardOptions } from '../writes';
// Provides the backend that reads metadata.
import '../../delta';

export interface ChangesOptions extends ShardOptions {
  /** The `position` of an earlier iterator, or the `id` of a change. Default: what is applied after this call; 0: everything. */
  since?: number;
  /** Ends the iteration, which then throws ERR_ABORTED. */
  signal?: AbortSignalLike;
}

/** An iterator over changes. */
export interface VectorChanges extends AsyncIterableIterator<VectorChange> {
  /** The `since` with which another iterator goes on behind what this one has given. Concurrent versions of a vector have
   *  one `id`: it is taken up once all of them were given. */
  readonly position: number;
  return(): Promise<IteratorResult<VectorChange, undefined>>;
  /** `await using` ends it, as `break` does. */
  [asyncDispose](): Promise<void>;
}

/** The options, checked. @internal */
export function checkChanges(options: unknown): {
  shardId: string | undefined;
  since: number | undefined;
  signal: AbortSignalLike | undefined;
} {
  const given = checkOptions<ChangesOptions>('options', options, ['shardId', 'since', 'signal']);
  return {
    shardId: checkOptionalText('options.shardId', given.shardId),
    since: checkOptionalInteger('options.since', given.since, 0, Number.MAX_SAFE_INTEGER),
    signal: checkSignal('options.signal', given.signal),
  };
}

/** The changes of one feed of the addon. @internal */
export class ChangeIterator implements VectorChanges {
  readonly #feed: NativeChangeFeed;
  readonly #signal: AbortSignalLike | undefined;
  readonly #changes: AsyncGenerator<VectorChange, undefined, undefined>;
  readonly #onEnd: () => void;
  #forgetSignal = () => {};
  #position: number;
  #isStopped = false;

  /** @param onEnd is called when nothing more can come. */
  constructor(feed: NativeChangeFeed, signal: AbortSignalLike | undefined, onEnd: () => void) {
    this.#feed = feed;
    this.#signal = signal;
    this.#onEnd = onEnd;
    this.#position = feed.position;
    this.#changes = this.#walk();
    // A signal that lives on does not keep what is forgotten.
    if (signal !== undefined) this.#forgetSignal = onAbort(signal, weakCall(this, (iterator) => iterator.stop()));
  }

  get position(): number {
    return this.#position;
  }

  /** The next change, once there is one. Keeps the process alive until then. */
  async next(): Promise<IteratorResult<VectorChange, undefined>> {
    // Awaited, so that the stack of an error leads to the reader.
    return await this.#changes.next();
  }

  /** `break` ends it. */
  async return(): Promise<IteratorResult<VectorChange, undefined>> {
    // Otherwise it would wait for the change that `next` waits for.
    this.stop();
    this.#onEnd();
    return await this.#changes.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** `await using` ends it. */
  async [asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Ends it without a word: the database is closed. */
  stop(): void {
    this.#isStopped = true;
    this.#forgetSignal();
    this.#feed.stop();
  }

  async *#walk(): AsyncGenerator<VectorChange, undefined, undefined> {
    try {
      for (let page = await this.#next(); page !== null; page = await this.#next()) {
        for (const [index, change] of page.entries()) {
          if (this.#isStopped) break;
          if (page[index + 1]?.id !== change.id) this.#position = change.id;
          yield change;
        }
      }
      if (this.#signal?.aborted === true) throw abortedError(this.#signal);
      return undefined;
    } finally {
      this.#forgetSignal();
      this.#onEnd();
    }
  }

  async #next(): Promise<VectorChange[] | null> {
    try {
      const parts = this.#isStopped ? null : await native(this.#feed.next());
      const part = parts ? nativeNow(() => parts.take()) : null;
      return part && unpackChanges(part);
    } catch (error) {
      // A read that the close of the database has overtaken.
      if (this.#isStopped) return null;
      throw error;
    }
  }
}

codeMethods(ChangeIterator);
