// Batches records of names and numbers for the addon: one call passes many, and each name once.

/** Buffered records, in order. `flush` before the addon reads them. @internal */
export class BatchedRecords {
  readonly #deliver: (names: string[], numbers: Float64Array) => void;
  readonly #places = new Map<string, number>();
  #numbers: number[] = [];
  #records = 0;

  /** @param deliver takes the names, and the numbers of all records, which refer to names by their index. */
  constructor(deliver: (names: string[], numbers: Float64Array) => void) {
    this.#deliver = deliver;
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

  /** Completes the record. */
  end(): void {
    if (++this.#records === MAX_RECORDS) this.flush();
  }

  /** Delivers the buffered records. */
  flush(): void {
    if (this.#records === 0) return;
    const [names, numbers] = [[...this.#places.keys()], Float64Array.from(this.#numbers)];
    this.clear();
    this.#deliver(names, numbers);
  }

  /** Drops the buffered records. */
  clear(): void {
    this.#places.clear();
    this.#numbers = [];
    this.#records = 0;
  }
}

const MAX_RECORDS = 1024;
