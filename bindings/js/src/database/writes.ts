// The calls that databases and transactions share: they check the arguments and call the addon.
import { argumentError } from '../check/error';
import { type Metadata, checkMetadata, parseMetadata } from '../check/metadata';
import { checkOptions } from '../check/options';
import { checkOptionalText, checkText } from '../check/text';
import { checkVector } from '../check/vector';
import { inParts } from '../lifecycle/turn';
import type { NativeDatabase, NativeTransaction } from '../native/native';
import { type BatchItem, BatchPacker } from './batch';
import { idsOf } from './ids';

export type { BatchItem } from './batch';

/** Which shard a call is about. */
export interface ShardOptions {
  /** Default: the database's `shardId`. 1 to 256 bytes. */
  shardId?: string;
}

export interface InsertOptions extends ShardOptions {
  /** 1 to 1,024 bytes. Default: a new UUIDv7. */
  id?: string;
}

/** What `get` returns. */
export interface VectorEntry {
  id: string;
  vector: Float32Array;
  metadata?: Metadata;
  /** The hybrid logical clock of the shown version: whole microseconds since the Unix epoch. */
  timestamp: number;
  /** Whether the shard's strategy is 'manual' and the vector has several concurrent versions. */
  conflicted: boolean;
}

/** The methods of `VectrDB` that may be part of a transaction. */
export interface VectorWrites {
  insert(vector: Float32Array | number[], metadata?: Metadata, options?: InsertOptions): Promise<string>;
  upsert(id: string, vector: Float32Array | number[], metadata?: Metadata, options?: ShardOptions): Promise<void>;
  insertBatch(items: BatchItem[], options?: ShardOptions): Promise<string[]>;
  update(id: string, vector?: Float32Array | number[], metadata?: Metadata, options?: ShardOptions): Promise<void>;
  delete(id: string, options?: ShardOptions): Promise<boolean>;
  get(id: string, options?: ShardOptions): Promise<VectorEntry | null>;
}

/** Checks arguments and calls the addon. Arguments are handed over before anything is awaited, but for those of large
 *  batches. @internal */
export class Writes {
  readonly #native: NativeDatabase;
  readonly #transaction: NativeTransaction | undefined;

  constructor(native: NativeDatabase, transaction?: NativeTransaction) {
    this.#native = native;
    this.#transaction = transaction;
  }

  insert(vector: unknown, metadata: unknown, options: unknown): Promise<string> {
    const { id, shardId } = checkOptions<InsertOptions>('options', options, ['id', 'shardId']);
    const components = checkVector('vector', vector);
    const [shard, given] = [checkOptionalText('options.shardId', shardId), checkOptionalText('options.id', id)];
    return this.#native.insert(shard, this.#transaction, given, components, checkMetadata('metadata', metadata));
  }

  upsert(id: unknown, vector: unknown, metadata: unknown, options: unknown): Promise<void> {
    const shard = checkShard(options);
    const components = checkVector('vector', vector);
    return this.#native.upsert(
      shard,
      this.#transaction,
      checkText('id', id),
      components,
      checkMetadata('metadata', metadata),
    );
  }

  async insertBatch(items: unknown, options: unknown): Promise<string[]> {
    const shard = checkShard(options);
    const packer = new BatchPacker(items);
    await inParts(packer, packer.packPart);
    return await idsOf(await this.#native.insertBatch(shard, this.#transaction, packer.native));
  }

  update(id: unknown, vector: unknown, metadata: unknown, options: unknown): Promise<void> {
    const shard = checkShard(options);
    const known = checkText('id', id);
    const components = vector === undefined ? undefined : checkVector('vector', vector);
    const text = checkMetadata('metadata', metadata);
    if (components === undefined && text === undefined) {
      throw argumentError('update has neither a vector nor metadata: give one of them');
    }
    return this.#native.update(shard, this.#transaction, known, components, text);
  }

  delete(id: unknown, options: unknown): Promise<boolean> {
    const shard = checkShard(options);
    return this.#native.delete(shard, this.#transaction, checkText('id', id));
  }

  async get(id: unknown, options: unknown): Promise<VectorEntry | null> {
    const known = checkText('id', id);
    const entry = await this.#native.get(checkShard(options), this.#transaction, known);
    if (entry === null) return null;
    const { vector, timestamp, conflicted } = entry;
    const metadata = parseMetadata(entry.metadata);
    return { id: known, vector, ...(metadata && { metadata }), timestamp, conflicted };
  }
}

function checkShard(options: unknown): string | undefined {
  const { shardId } = checkOptions<ShardOptions>('options', options, ['shardId']);
  return checkOptionalText('options.shardId', shardId);
}
