// Pinned peers, before and after the engine is open.
import { nativeNow } from '../check/error';
import type { NativeSync } from '../native/native';

/** Replays pins that were added or removed before the engine was open on it, in order. */
export class Trust {
  #engine: NativeSync | null = null;
  readonly #changes: Array<(engine: Pick<NativeSync, 'pinPeer' | 'unpinPeer'>) => unknown> = [];
  readonly #early = new Set<string>();

  /** Trusts one more peer; after the first pin only pinned peers are trusted. */
  pin(peer: string): void {
    if (this.#engine === null) {
      this.#early.add(peer);
      this.#changes.push((engine) => engine.pinPeer(peer));
      return;
    }
    const engine = this.#engine;
    nativeNow(() => engine.pinPeer(peer));
  }

  /** Stops trusting a peer; false if it was not pinned. */
  unpin(peer: string): boolean {
    if (this.#engine === null) {
      this.#changes.push((engine) => engine.unpinPeer(peer));
      return this.#early.delete(peer);
    }
    const engine = this.#engine;
    return nativeNow(() => engine.unpinPeer(peer));
  }

  /** The pinned peers, in ascending order. */
  get pins(): string[] {
    return this.#engine?.pinnedFingerprints ?? [...this.#early].sort();
  }

  /** Applies earlier and later changes to this engine. */
  attach(engine: NativeSync): void {
    this.#engine = engine;
    for (const change of this.#changes.splice(0)) change(engine);
  }
}
