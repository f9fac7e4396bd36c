// The vectors of `insertBatch`, checked and handed to the addon in parts that each take a few milliseconds.
import { coded } from '../check/coded';
import { outOfRange, wrongType } from '../check/error';
import { type Metadata, checkMetadata } from '../check/metadata';
import { checkOptions } from '../check/options';
import { checkOptionalText } from '../check/text';
import { checkVector } from '../check/vector';
import { addon } from '../native/addon';
import type { NativeBatch } from '../native/native';

/** One vector of a batch. */
export interface BatchItem {
  /** 1 to 1,024 bytes. Default: a new UUIDv7. */
  id?: string;
  vector: Float32Array | number[];
  metadata?: Metadata;
}

/** Packs the items of one batch. @internal */
export class BatchPacker {
  readonly native: NativeBatch = new addon.NativeBatch();
  // A copy: items that are added or replaced later do not count.
  readonly #items: readonly unknown[];
  #next = 0;
  #dimensions = 0;
  #block = new Float32Array(0);

  constructor(items: unknown) {
    if (!Array.isArray(items)) throw wrongType('items', 'an array of { id?, vector, metadata? }', items);
    this.#items = Array.from(items as unknown[]);
  }

  /** How many items have not been packed. */
  get left(): number {
    return this.#items.length - this.#next;
  }

  /** Packs one part, a millisecond or two of work. Whatever it throws is coded: later the addon's errors could be meant. */
  readonly packPart = (): void => {
    try {
      this.#packPart();
    } catch (error) {
      throw coded(error, 'items');
    }
  };

  #packPart(): void {
    const ids: Array<string | undefined> = [];
    const metadata: Array<string | undefined> = [];
    let components = 0;
    let characters = 0;
    while (this.#next < this.#items.length) {
      if (ids.length === MOST_ITEMS || components >= MOST_COMPONENTS || characters >= MOST_CHARACTERS) break;
      const name = `items[${this.#next}]`;
      const item = this.#items[this.#next++];
      if (item === undefined) throw wrongType(name, 'an object', item);
      const checked = checkOptions<BatchItem>(name, item, ['id', 'vector', 'metadata']);
      ids.push(checkOptionalText(`${name}.id`, checked.id));
      const vector = checkVector(`${name}.vector`, checked.vector);
      this.#dimensions ||= vector.length;
      if (vector.length !== this.#dimensions) {
        const expected = `${this.#dimensions} components, as the first one has`;
        throw outOfRange(`the length of ${name}.vector`, expected, vector.length, 'ERR_DIMENSIONS');
      }
      // At once: what a later item's getter does to it must not count.
      this.#roomFor(components + vector.length).set(vector, components);
      const text = checkMetadata(`${name}.metadata`, checked.metadata);
      metadata.push(text);
      components += this.#dimensions;
      characters += text?.length ?? 0;
    }
    // The addon copies: one block serves all parts.
    this.native.push(ids, this.#block.subarray(0, components), metadata);
  }

  #roomFor(components: number): Float32Array {
    if (this.#block.length < components) {
      const larger = new Float32Array(Math.max(components, 2 * this.#block.length));
      larger.set(this.#block);
      this.#block = larger;
    }
    return this.#block;
  }
}

const MOST_ITEMS = 4096;
const MOST_COMPONENTS = 2 ** 18;
const MOST_CHARACTERS = 2 ** 18;
