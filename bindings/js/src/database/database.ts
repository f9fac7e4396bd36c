// A database of vector shards.
import { codeMethods } from '../check/coded';
import { VectrError, argumentError, closedError, native, nativeNow, wrongType } from '../check/error';
import type { Metadata } from '../check/metadata';
import { checkOptions } from '../check/options';
import { checkOptionalText, checkPath } from '../check/text';
import { checkVector } from '../check/vector';
import { abortable, endOf } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { warnOfDamage } from '../lifecycle/process-warning';
import { addon } from '../native/addon';
import { asyncHooks } from '../native/builtins';
import type { NativeDatabase } from '../native/native';
import { type ChangesOptions, type VectorChanges, ChangeIterator, checkChanges } from './changelog/change-feed';
import { registerHandle } from './handle';
import { idsOf } from './ids';
import { type IterateOptions, type IteratedVector, checkIterate, walk } from './iteration';
import { type VectrDBOptions, checkOpenOptions } from './open-options';
import { type QueryOptions, checkParameters, checkQuery, checkStatement, rowsOf } from './query';
import { type SearchOptions, type SearchResult, checkSearch, newlyDamaged, searchResults } from './search';
import type { StorageStatistics } from './storage';
import { Transaction } from './transaction';
import {
  type BatchItem,
  type InsertOptions,
  type ShardOptions,
  type VectorEntry,
  type VectorWrites,
  Writes,
} from './writes';

/**
 * Vectors in one SQLite file, or in memory, in any number of shards.
 *
 * No method blocks the event loop. After `close` every method rejects with ERR_CLOSED. An argument of the wrong type is
 * a TypeError with the code ERR_ARGUMENT. A call that rejects has changed nothing.
 */
export class VectrDB implements VectorWrites {
  readonly #native: NativeDatabase;
  readonly #writes: Writes;
  readonly #path: string | null;
  readonly #shardId: string;
  // The one that `beginTransaction` opened.
  #transaction: Transaction | null = null;
  #beginning = false;
  // Transactions of both forms that are open, or being opened or ended.
  #transactions = 0;
  // Ends the waits for what the work of transactions returns.
  readonly #atClose = new Set<() => void>();
  // Held weakly: one that is forgotten needs no end.
  readonly #feeds = new Set<WeakRef<ChangeIterator>>();
  #closing: Promise<void> | null = null;
  // What searches have warned of.
  readonly #damaged = new Set<string>();

  /** Databases are opened with `VectrDB.open`: this throws a TypeError. */
  constructor(handle?: unknown) {
    if (!(handle instanceof addon.NativeDatabase))
      throw argumentError('a database cannot be constructed: await VectrDB.open(options)');
    this.#native = handle;
    this.#writes = new Writes(handle);
    this.#path = handle.path;
    this.#shardId = handle.shardId;
    registerHandle(this, { native: handle, isInTransaction: () => this.#transactions > 0 });
  }

  /**
   * Opens or creates a database.
   *
   * ERR_ARGUMENT for a path that is a folder, ERR_CONFIG for a file of another program or of a newer version,
   * ERR_BUSY if it is open under another name or by an earlier version, ERR_NODE_ID, ERR_DIMENSIONS, ERR_STORAGE. Nothing
   * is written on failure. Several handles, worker threads and processes may have one file open: they are one node.
   */
  static async open(options?: VectrDBOptions): Promise<VectrDB> {
    return new VectrDB(await native(addon.NativeDatabase.open(checkOpenOptions(options))));
  }

  /** The same as `open`. */
  static async new(options?: VectrDBOptions): Promise<VectrDB> {
    return VectrDB.open(options);
  }

  /** The file; null in memory. */
  get path(): string | null {
    return this.#path;
  }

  /** Whether it was opened with `readOnly`: calls that write reject with ERR_READ_ONLY. */
  get readOnly(): boolean {
    return this.#native.readOnly;
  }

  /** The name of this node; null until it has one. */
  get nodeId(): string | null {
    return this.#native.nodeId;
  }

  /** The shard used by calls that do not name one. */
  get shardId(): string {
    return this.#shardId;
  }

  /**
   * Adds a vector; resolves to its id. ERR_EXISTS if the id is in use, ERR_DIMENSIONS if the shard's vectors have
   * another length, ERR_VECTOR for NaN and infinity. Metadata is a plain JSON object of at most 256 KiB.
   */
  async insert(vector: Float32Array | number[], metadata?: Metadata, options?: InsertOptions): Promise<string> {
    return native(this.#scope().insert(vector, metadata, options));
  }

  /** Adds a vector, or replaces vector and metadata of the one with this id. */
  async upsert(
    id: string,
    vector: Float32Array | number[],
    metadata?: Metadata,
    options?: ShardOptions,
  ): Promise<void> {
    await native(this.#scope().upsert(id, vector, metadata, options));
  }

  /**
   * Adds all vectors or none; resolves to their ids, in the same order. All have one length. Errors as of `insert`.
   *
   * The first 4,096 items, as far as they have together at most 2^18 components and 2^18 characters of metadata, are
   * copied before the call returns. Of a larger batch the rest is read while the call runs, for a few milliseconds at a
   * time: leave its items, with ids, vectors and metadata, as they are until then. Calls that are not awaited may run in
   * any order.
   */
  async insertBatch(items: BatchItem[], options?: ShardOptions): Promise<string[]> {
    return native(this.#scope().insertBatch(items, options));
  }

  /** Replaces what is given and keeps the rest. ERR_NOT_FOUND for an unknown id, ERR_STORAGE if what would be kept no
   *  longer matches its hash, else errors as of `insert`. */
  async update(
    id: string,
    vector?: Float32Array | number[],
    metadata?: Metadata,
    options?: ShardOptions,
  ): Promise<void> {
    await native(this.#scope().update(id, vector, metadata, options));
  }

  /** Removes a vector; false if there is none. */
  async delete(id: string, options?: ShardOptions): Promise<boolean> {
    return native(this.#scope().delete(id, options));
  }

  /** A vector as the shard's strategy resolves its concurrent versions; null if there is none. */
  async get(id: string, options?: ShardOptions): Promise<VectorEntry | null> {
    return native(this.#scope().get(id, options));
  }

  /**
   * The `k` nearest vectors (default 10), the nearest first, ties in the order of the bytes of their ids: an exact scan
   * of the committed shard. Scores are computed in doubles, component after component. ERR_DIMENSIONS for a query of another length, ERR_ABORTED through the signal.
   *
   * A vector whose stored bytes no longer match their hash is no result. A process warning (`VectrDamageWarning`,
   * ERR_STORAGE) names it, once.
   */
  async search(query: Float32Array | number[], k?: number, options?: SearchOptions): Promise<SearchResult[]> {
    this.#checkOpen();
    const components = checkVector('query', query);
    const { search, signal } = checkSearch(k, options);
    return abortable(signal, async (cancellation) => {
      const found = await native(this.#native.search(components, search, cancellation));
      const shardId = search.shardId ?? this.shardId;
      for (const id of newlyDamaged(shardId, found.damaged, this.#damaged)) warnOfDamage(shardId, id);
      return await searchResults(found, endOf(signal));
    });
  }

  /**
   * Every live vector of a shard, in the order of ids, without the vectors themselves unless `includeVectors` is set.
   * Each walk reads one consistent snapshot of what was committed when it began. The write-ahead log keeps all later
   * changes meanwhile; a walk that keeps it above `logLimitBytes` is cut off with ERR_BUSY, and `after`, the last id it
   * gave, takes it up on a new snapshot. Vectors whose stored bytes no longer match their hashes are left out; once all
   * others have been given, the walk throws ERR_STORAGE, which names them.
   */
  iterate(options?: IterateOptions): AsyncIterable<IteratedVector> {
    this.#checkOpen();
    const { shardId, includeVectors, after } = checkIterate(options);
    const open = async () => {
      this.#checkOpen();
      return this.#native.iterate(shardId, includeVectors, after);
    };
    return { [Symbol.asyncIterator]: () => walk(open) };
  }

  /**
   * Every change that is applied to a shard from now on, or behind the change `since`, in the order of their ids: written
   * here, or brought by a peer or a delta. A vector that changes again before it is read comes once, with its last change.
   *
   * What comes survives a power cut, so the iterator's `position`, kept by the program, goes on behind it in the next
   * process. Concurrent versions of a vector are a change each: `get` has what the strategy shows. ERR_NOT_HELD if no change
   * is as new as `since`: the file is an older copy, or another one. Ends with `break`, or when the database is closed;
   * ERR_ABORTED through the signal. A vector whose stored bytes no longer match their hash ends it with ERR_STORAGE, which
   * says where to go on. With `readOnly` nothing says what is durable: a power cut may take changes that were given.
   */
  changes(options?: ChangesOptions): VectorChanges {
    this.#checkOpen();
    const { shardId, since, signal } = checkChanges(options);
    const feed = nativeNow(() => this.#native.changes(shardId, since));
    const changes: ChangeIterator = new ChangeIterator(feed, signal, () => this.#feeds.delete(known));
    const known = new WeakRef(changes);
    for (const one of this.#feeds) if (one.deref() === undefined) this.#feeds.delete(one);
    this.#feeds.add(known);
    return changes;
  }

  /** The number of live vectors in a shard. */
  async count(options?: ShardOptions): Promise<number> {
    this.#checkOpen();
    const { shardId } = checkOptions<ShardOptions>('options', options, ['shardId']);
    return native(this.#native.count(checkOptionalText('options.shardId', shardId)));
  }

  /** The ids of all shards, sorted. */
  async shards(): Promise<string[]> {
    this.#checkOpen();
    return await idsOf(await native(this.#native.shards()));
  }

  /**
   * Runs one read-only statement over the documented tables and views: `vectors`, `vector_changelog` and
   * `shard_metadata`; `PRAGMA integrity_check` too. Rows are plain objects, BLOBs Uint8Arrays, and integers that a
   * number cannot hold bigints. The whole result is held in memory. ERR_ARGUMENT for anything that writes, attaches,
   * is more than one statement, or returns two columns of one name, of which an object can hold only one; ERR_LIMIT, ERR_TIMEOUT and ERR_ABORTED as the options say. Four queries run at a
   * time, and other calls never wait for them. ERR_BUSY if none of them ends for `busyTimeoutMs`, and for a query that
   * keeps the write-ahead log above `logLimitBytes`.
   */
  async query(sql: string, params?: unknown[], options?: QueryOptions): Promise<Array<Record<string, unknown>>> {
    this.#checkOpen();
    const statement = checkStatement('sql', sql);
    const cells = checkParameters('params', params);
    const { limits, signal } = checkQuery(options);
    const check = endOf(signal, limits.timeoutMs ?? undefined);
    return abortable(signal, async (cancellation) =>
      rowsOf(await native(this.#native.query(statement, cells, limits, cancellation)), check),
    );
  }

  /**
   * Runs `work` in a transaction: commits when it resolves, rolls back when it rejects, and settles as it does. Only
   * calls on `tx` belong to it. Transactions run one after the other; nesting them is ERR_TRANSACTION. Other
   * transactions and writes wait for it, and fail with ERR_BUSY once it has been open for `busyTimeoutMs`. ERR_CLOSED
   * if the database is closed before it has ended.
   */
  async transaction<T>(work: (tx: VectorWrites) => Promise<T>): Promise<T> {
    this.#checkOpen();
    if (typeof work !== 'function') throw wrongType('work', 'a function', work);
    if (isInside(this)) {
      throw new VectrError('ERR_TRANSACTION', 'this call is inside an open transaction of the database: use its tx');
    }
    if (this.#transaction !== null || this.#beginning) {
      throw new VectrError('ERR_TRANSACTION', 'beginTransaction has opened one: commit it or roll it back first');
    }
    return this.#run(work, { database: this, around: scopes.getStore(), open: true });
  }

  /**
   * Opens a transaction to which all further calls of insert, upsert, insertBatch, update, delete and get on this
   * object belong, until `commit` or `rollback`. ERR_TRANSACTION if one is open. An arriving sync waits for a bounded
   * time, then fails with ERR_BUSY.
   */
  async beginTransaction(): Promise<void> {
    this.#checkOpen();
    if (this.#transaction !== null || this.#beginning) {
      throw new VectrError('ERR_TRANSACTION', 'a transaction is open: commit it or roll it back first');
    }
    this.#beginning = true;
    this.#transactions++;
    try {
      this.#transaction = await Transaction.begin(this.#native);
    } catch (error) {
      this.#transactions--;
      throw error;
    } finally {
      this.#beginning = false;
    }
  }

  /** Commits the transaction. ERR_TRANSACTION if none is open. */
  async commit(): Promise<void> {
    this.#checkOpen();
    await this.#end((transaction) => transaction.commit());
  }

  /** Rolls the transaction back. ERR_TRANSACTION if none is open. */
  async rollback(): Promise<void> {
    this.#checkOpen();
    await this.#end((transaction) => transaction.rollback());
  }

  /** Writes a consistent copy into a new file while the database is in use. ERR_EXISTS if the file exists. */
  async backup(path: string): Promise<void> {
    this.#checkOpen();
    await native(this.#native.backup(checkPath('path', path)));
  }

  /** A digest of a shard's content, whatever the order of its rows: equal on two nodes exactly when the content is. */
  async digest(shardId?: string): Promise<string> {
    this.#checkOpen();
    return native(this.#native.digest(checkOptionalText('shardId', shardId)));
  }

  /** What the database takes on the disk, and who holds it. */
  async getStats(): Promise<StorageStatistics> {
    this.#checkOpen();
    return this.#native.storage();
  }

  /** Rolls back an open transaction and releases the file. Calls that have not reached the storage by then reject with
   *  ERR_CLOSED: await them first. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `await using` closes. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run<T>(work: (tx: VectorWrites) => Promise<T>, scope: Scope): Promise<T> {
    this.#transactions++;
    try {
      const transaction = await Transaction.beginInTurn(this.#native);
      return await this.#runIn(transaction, () => scopes.run(scope, () => work(transaction)));
    } finally {
      scope.open = false;
      this.#transactions--;
    }
  }

  async #runIn<T>(transaction: Transaction, work: () => Promise<T>): Promise<T> {
    try {
      const value = await this.#unlessClosed(work());
      await transaction.commit();
      return value;
    } catch (error) {
      // Report the first failure; a failed commit has been rolled back already.
      await transaction.rollback().catch(noop);
      throw error;
    }
  }

  // Settles as `work` does, or once the database is closed: nobody waits for work that never settles.
  #unlessClosed<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const closed = () => reject(closedError('the database', 'open it again with VectrDB.open'));
      const forget = () => this.#atClose.delete(closed);
      this.#atClose.add(closed);
      Promise.resolve(work).then(resolve, reject).then(forget, forget);
    });
  }

  async #close(): Promise<void> {
    for (const feed of this.#feeds) feed.deref()?.stop();
    if (this.#transaction !== null) await this.#end((transaction) => transaction.rollback()).catch(noop);
    try {
      await native(this.#native.close());
    } finally {
      for (const end of this.#atClose) end();
    }
  }

  async #end(how: (transaction: Transaction) => Promise<void>): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === null)
      throw new VectrError('ERR_TRANSACTION', 'no transaction is open: beginTransaction opens one');
    this.#transaction = null;
    try {
      await how(transaction);
    } finally {
      this.#transactions--;
    }
  }

  // Calls belong to the transaction that beginTransaction has opened.
  #scope(): VectorWrites {
    this.#checkOpen();
    return this.#transaction ?? this.#writes;
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw closedError('the database', 'open it again with VectrDB.open');
  }
}

codeMethods(VectrDB, ['transaction']);

/** The `transaction` calls around the running code. */
interface Scope {
  readonly database: VectrDB;
  readonly around: Scope | undefined;
  open: boolean;
}

const scopes = new asyncHooks.AsyncLocalStorage<Scope>();

function isInside(database: VectrDB): boolean {
  for (let scope = scopes.getStore(); scope !== undefined; scope = scope.around) {
    if (scope.open && scope.database === database) return true;
  }
  return false;
}

function noop(): void {}
