// The keys of one call: sites and node names, each passed once.
import { MAX_KEY_BYTES, isName } from '../name';

/** Numbers keys in the order of their first use. */
export class Keys {
  readonly names: string[] = [];
  readonly #ranks = new Map<string, number>();
  #last = '';
  #lastRank = -1;

  /** The number of a key; -1 where it cannot be one. */
  rank(key: string): number {
    // Consecutive changes usually have the same key.
    if (key === this.#last) return this.#lastRank;
    const rank = this.#ranks.get(key) ?? this.#add(key);
    this.#last = key;
    this.#lastRank = rank;
    return rank;
  }

  #add(key: unknown): number {
    if (!isName(key, MAX_KEY_BYTES)) return -1;
    const rank = this.names.push(key) - 1;
    this.#ranks.set(key, rank);
    return rank;
  }
}
