// Records of names and numbers on their way into the addon: many cross in one call, and a name once in each.

/** Records that wait, in their order. Whoever reads in the addon flushes before. @internal */
export class BatchedRecords {
  readonly #hand: (names: string[], numbers: Float64Array) => void;
  readonly #places = new Map<string, number>();
  #numbers: number[] = [];
  #records = 0;

  /** @param hand takes names, and the numbers of all records, which have the places of names among them. */
  constructor(hand: (names: string[], numbers: Float64Array) => void) {
    this.#hand = hand;
  }

  /** Adds a name to the record. */
  name(name: string): this {
    let place = this.#places.get(name);
    if (place === undefined) this.#places.set(name, (place = this.#places.size));
    this.#numbers.push(place);
    return this;
  }

  /** Adds a number to the record. */
  number(value: number): this {
    this.#numbers.push(value);
    return this;
  }

  /** The record is complete. */
  end(): void {
    if (++this.#records === MOST_WAITING) this.flush();
  }

  /** Hands over what waits. */
  flush(): void {
    if (this.#records === 0) return;
    const [names, numbers] = [[...this.#places.keys()], Float64Array.from(this.#numbers)];
    this.clear();
    this.#hand(names, numbers);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#places.clear();
    this.#numbers = [];
    this.#records = 0;
  }
}

const MOST_WAITING = 1024;
