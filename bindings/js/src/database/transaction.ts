// One open transaction and the calls that belong to it.
import { codeMethods } from '../check/coded';
import { VectrError, native } from '../check/error';
import type { Metadata } from '../check/metadata';
import type { NativeDatabase, NativeTransaction } from '../native/native';
import {
  type BatchItem,
  type InsertOptions,
  type ShardOptions,
  type VectorEntry,
  type VectorWrites,
  Writes,
} from './writes';

/** The object that `VectrDB.transaction` passes to its function: only calls on it belong to the transaction. */
export class Transaction implements VectorWrites {
  readonly #native: NativeDatabase;
  readonly #transaction: NativeTransaction;
  readonly #writes: Writes;
  readonly #running = new Set<Promise<unknown>>();
  #open = true;

  /** Made by `VectrDB.transaction` alone. */
  private constructor(database: NativeDatabase, transaction: NativeTransaction) {
    this.#native = database;
    this.#transaction = transaction;
    this.#writes = new Writes(database, transaction);
  }

  /** Begins once the transactions before it have ended. @internal */
  static async beginInTurn(database: NativeDatabase): Promise<Transaction> {
    return new Transaction(database, await native(database.beginInTurn()));
  }

  /** @internal */
  static async begin(database: NativeDatabase): Promise<Transaction> {
    return new Transaction(database, await native(database.begin()));
  }

  /** As `VectrDB.insert`. ERR_TRANSACTION after the transaction's end. */
  insert(vector: Float32Array | number[], metadata?: Metadata, options?: InsertOptions): Promise<string> {
    return this.#call((writes) => writes.insert(vector, metadata, options));
  }

  /** As `VectrDB.upsert`. ERR_TRANSACTION after the transaction's end. */
  upsert(id: string, vector: Float32Array | number[], metadata?: Metadata, options?: ShardOptions): Promise<void> {
    return this.#call((writes) => writes.upsert(id, vector, metadata, options));
  }

  /** As `VectrDB.insertBatch`. ERR_TRANSACTION after the transaction's end. */
  insertBatch(items: BatchItem[], options?: ShardOptions): Promise<string[]> {
    return this.#call((writes) => writes.insertBatch(items, options));
  }

  /** As `VectrDB.update`. ERR_TRANSACTION after the transaction's end. */
  update(id: string, vector?: Float32Array | number[], metadata?: Metadata, options?: ShardOptions): Promise<void> {
    return this.#call((writes) => writes.update(id, vector, metadata, options));
  }

  /** As `VectrDB.delete`. ERR_TRANSACTION after the transaction's end. */
  delete(id: string, options?: ShardOptions): Promise<boolean> {
    return this.#call((writes) => writes.delete(id, options));
  }

  /** As `VectrDB.get`; sees what the transaction wrote. ERR_TRANSACTION after the transaction's end. */
  get(id: string, options?: ShardOptions): Promise<VectorEntry | null> {
    return this.#call((writes) => writes.get(id, options));
  }

  /** @internal Commits once all running calls have ended. */
  async commit(): Promise<void> {
    await this.#end();
    await native(this.#native.commit(this.#transaction));
  }

  /** @internal Rolls back once all running calls have ended. */
  async rollback(): Promise<void> {
    await this.#end();
    await native(this.#native.rollback(this.#transaction));
  }

  async #call<T>(work: (writes: Writes) => Promise<T>): Promise<T> {
    if (!this.#open)
      throw new VectrError('ERR_TRANSACTION', 'the transaction has ended: call the database itself, or begin another');
    const running = work(this.#writes);
    this.#running.add(running);
    try {
      return await native(running);
    } finally {
      this.#running.delete(running);
    }
  }

  async #end(): Promise<void> {
    this.#open = false;
    await Promise.allSettled(this.#running);
  }
}

codeMethods(Transaction);
