// Whom to trust, from before there is an engine until its end.
import { nativeNow } from '../check/error';
import type { NativeSync } from '../native/native';

/** Pins that were set or removed before the engine was made are repeated, in their order, on the engine. */
export class Trust {
  #engine: NativeSync | null = null;
  readonly #changes: Array<(engine: Pick<NativeSync, 'pinPeer' | 'unpinPeer'>) => unknown> = [];
  readonly #early = new Set<string>();

  /** Trusts one more peer; from the first pin on only pinned peers. */
  pin(peer: string): void {
    if (this.#engine === null) {
      this.#early.add(peer);
      this.#changes.push((engine) => engine.pinPeer(peer));
      return;
    }
    const engine = this.#engine;
    nativeNow(() => engine.pinPeer(peer));
  }

  /** Trusts a peer no longer; false where it was not pinned. */
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

  /** Every change counts for this engine from now on. */
  attach(engine: NativeSync): void {
    this.#engine = engine;
    for (const change of this.#changes.splice(0)) change(engine);
  }
}
