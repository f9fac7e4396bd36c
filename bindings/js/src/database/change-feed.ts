// The changes of a shard, as they are applied.
import { native, nativeNow } from '../check/error';
import { checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkOptionalText } from '../check/text';
import type { VectorChange } from '../delta/change';
import { unpackChanges } from '../delta/packing/unpack';
import { type AbortSignalLike, abortedError, checkSignal, onAbort } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import type { NativeChangeFeed } from '../native/native';
import type { ShardOptions } from './writes';
// Provides the backend that reads metadata.
import '../delta';

export interface ChangesOptions extends ShardOptions {
  /** The `id` of the last change that was seen. Default: what is applied after this call; 0: everything. */
  since?: number;
  /** Ends the iteration, which then throws ERR_ABORTED. */
  signal?: AbortSignalLike;
}

/** An iterator over changes. */
export interface VectorChanges extends AsyncIterableIterator<VectorChange> {
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
  readonly #forgetSignal: () => void;
  #isStopped = false;

  /** @param onEnd is called once, when nothing more can come. */
  constructor(feed: NativeChangeFeed, signal: AbortSignalLike | undefined, onEnd: () => void) {
    this.#feed = feed;
    this.#signal = signal;
    this.#onEnd = onEnd;
    this.#changes = this.#walk();
    this.#forgetSignal = signal === undefined ? () => {} : onAbort(signal, () => this.stop());
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
    this.#end();
    return this.#changes.return(undefined);
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
    this.#feed.stop();
  }

  async *#walk(): AsyncGenerator<VectorChange, undefined, undefined> {
    try {
      for (let page = await this.#next(); page !== null; page = await this.#next()) {
        for (const change of page) {
          if (this.#isStopped) break;
          yield change;
        }
      }
      if (this.#signal?.aborted === true) throw abortedError(this.#signal);
      return undefined;
    } finally {
      this.#end();
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

  #end(): void {
    this.#forgetSignal();
    this.#onEnd();
  }
}
