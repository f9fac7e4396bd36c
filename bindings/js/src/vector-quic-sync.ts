// The sync engine of one database.
import { type AbortSignalLike, abortable, checkSignal } from './abort';
import { addon } from './addon';
import { type SyncConflict } from './conflict';
import type { VectrDB } from './database';
import { asyncDispose } from './disposal';
import { VectrError, closedError, codeOf, native, nativeNow, wrongKind } from './error';
import { type DatabaseHandle, handleOf } from './handle';
import type { NativeSync, NetworkOptions, SyncOptions as NativeSyncOptions } from './native';
import { checkFlag, checkOptions } from './options';
import { ProgressReports, checkListener } from './progress';
import { type PoolStatistics, type ShardState, type SyncSession, sessionOf, shardStateOf } from './session';
import { type SyncConfig, checkSyncConfig } from './sync-config';
import { type SyncProgress, type SyncResult, failedResult, resultOf } from './sync-result';
import { checkFingerprint, checkOptionalText, checkText } from './text';
import { type QuicTransportConfig, checkTransportConfig } from './transport-config';
import { Trust } from './trust';

/** A `VectrDB` by its methods, so that equal typings from elsewhere fit. Anything else is a TypeError at run time. */
export type OpenDatabase = Pick<VectrDB, Exclude<keyof VectrDB, typeof asyncDispose>>;

export interface SyncOptions {
  /** Ends the sync early with ERR_ABORTED: what was applied stays applied. */
  signal?: AbortSignalLike;
  /** Hears how far the sync has come. What it throws is reported as a process warning. */
  onProgress?: (progress: SyncProgress) => void;
}

/**
 * Syncs the shards of one database with any number of peers, over QUIC, with no server needed. After `close` every
 * method fails with ERR_CLOSED. A listening engine keeps the process alive until it is closed.
 */
export class VectorQuicSync {
  readonly #database: DatabaseHandle;
  readonly #nodeId: string;
  readonly #config: NativeSyncOptions;
  readonly #trust = new Trust();
  // Kept where opening fails: a second try must not trust more than the first was told to.
  #network: NetworkOptions = checkTransportConfig(undefined);
  #fingerprint: string | null = null;
  #session: SyncSession | null = null;
  #engine: NativeSync | null = null;
  #opening: Promise<NativeSync> | null = null;
  #keepAlive: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  /**
   * An engine for `db`. No socket is opened, and nothing written, before the first use.
   *
   * @param nodeId what this node is called, 1 to 256 bytes; another than the database's is ERR_NODE_ID at first use.
   */
  constructor(db: OpenDatabase, nodeId: string, config?: Partial<SyncConfig>) {
    const handle = handleOf(db);
    if (handle === undefined) throw wrongKind('db', 'a VectrDB', db);
    this.#database = handle;
    this.#nodeId = checkText('nodeId', nodeId);
    this.#config = checkSyncConfig(config);
  }

  /**
   * SHA-256 of this node's certificate, 64 hexadecimal digits: what others pin. Before `initialize` the identity beside
   * the database is read, or made; a database in memory has none before (ERR_CONFIG).
   */
  get fingerprint(): string {
    this.#fingerprint ??=
      this.#engine?.fingerprint ?? nativeNow(() => addon.NativeSync.identityOf(this.#database.native));
    if (this.#fingerprint !== null) return this.#fingerprint;
    throw new VectrError(
      'ERR_CONFIG',
      'a database in memory has a fingerprint once its engine is initialized: await initialize() first',
    );
  }

  /** The pinned peers, in ascending order. */
  get pinnedFingerprints(): string[] {
    return this.#trust.pins;
  }

  /**
   * Reads or makes this node's identity and checks the configuration. Works with no server running anywhere. Called by
   * the first use where it was not called; a second call with a configuration is ERR_CONFIG.
   */
  async initialize(quicConfig?: QuicTransportConfig): Promise<void> {
    this.#checkOpen();
    const network = checkTransportConfig(quicConfig);
    if (quicConfig !== undefined && this.#opening !== null) {
      throw new VectrError('ERR_CONFIG', 'the engine is initialized already: configure it before its first use');
    }
    if (quicConfig !== undefined) this.#network = network;
    await this.#ready();
  }

  /** Trusts one more peer at once. From the first pin on only pinned peers are trusted, on this machine as well. */
  pinPeer(fingerprint: string): void {
    this.#checkOpen();
    this.#trust.pin(checkFingerprint('fingerprint', fingerprint));
  }

  /** Trusts a peer no longer, and closes its connections at once; false where it was not pinned. */
  unpinPeer(fingerprint: string): boolean {
    this.#checkOpen();
    return this.#trust.unpin(checkFingerprint('fingerprint', fingerprint));
  }

  /**
   * Answers other nodes' syncs on `host:port`, `host` (port 4433) or `[ipv6]:port`; port 0 means any free one.
   * Resolves to the bound address. ERR_ARGUMENT for a malformed address, ERR_CONFIG where it cannot be bound.
   */
  async listen(address: string = '127.0.0.1:4433'): Promise<string> {
    this.#checkOpen();
    const wanted = checkText('address', address);
    const engine = await this.#ready();
    const bound = await native(engine.listen(wanted));
    this.#checkOpen();
    // Like any server: the timer never has to fire, it keeps the process and this object alive.
    this.#keepAlive ??= setInterval(() => this.#engine, LONGEST_TIMER_MS);
    return bound;
  }

  /**
   * Exchanges with the node at `peerAddress` what each lacks of a shard; resolves when both hold all of it safely.
   *
   * Rejects only for an argument of the wrong kind, after close (ERR_CLOSED) and on abort (ERR_ABORTED). All else, a
   * malformed address, ERR_TRUST and ERR_STORAGE included, resolves with `success: false`, `error` and `errorCode`.
   *
   * @param force reads the peer's changes from their beginning, not from where the last sync ended.
   */
  async sync(shardId: string, peerAddress: string, force?: boolean, options?: SyncOptions): Promise<SyncResult> {
    this.#checkOpen();
    const [shard, address] = [checkText('shardId', shardId), checkText('peerAddress', peerAddress)];
    const again = checkFlag('force', force) ?? false;
    const given = checkOptions<SyncOptions>('options', options, ['signal', 'onProgress']);
    const listener = checkListener('options.onProgress', given.onProgress);
    const reports = listener && new ProgressReports(listener, shard, address);
    const started = performance.now();
    try {
      return await abortable(checkSignal('options.signal', given.signal), async (cancellation) => {
        const engine = await this.#ready();
        return resultOf(shard, await native(engine.sync(shard, address, again, cancellation, reports?.report)));
      });
    } catch (error) {
      if (error instanceof TypeError || codeOf(error) === 'ERR_ABORTED') throw error;
      this.#checkOpen();
      return failedResult(shard, error, performance.now() - started);
    } finally {
      reports?.end();
    }
  }

  /** The state of a shard. */
  async getShardState(shardId: string): Promise<ShardState> {
    this.#checkOpen();
    const shard = checkText('shardId', shardId);
    const engine = await this.#ready();
    return shardStateOf(await native(engine.shardState(shard)));
  }

  /**
   * What the engine knows of its shards, read on the calling thread; null before the first use. While a transaction of
   * a database in memory is open, what was read last.
   */
  getSession(): SyncSession | null {
    this.#checkOpen();
    const engine = this.#engine;
    // In memory there is one connection: waiting for it here would keep the transaction from ending.
    const isReadable = this.#database.native.path !== null || !this.#database.isInTransaction();
    if (engine !== null && isReadable) this.#session = sessionOf(nativeNow(() => engine.session()));
    return this.#session;
  }

  /** The conflicts that someone has to settle, read on the calling thread; none before the first use. */
  getUnresolvedConflicts(shardId?: string): SyncConflict[] {
    const shard = checkOptionalText('shardId', shardId);
    const conflicts = this.getSession()?.pendingConflicts ?? [];
    return shard === undefined ? conflicts : conflicts.filter((conflict) => conflict.shardId === shard);
  }

  /** The connections made from here. */
  async getStats(): Promise<PoolStatistics> {
    this.#checkOpen();
    return this.#engine?.statistics() ?? { active: 0, idle: 0, created: 0, closed: 0, zeroRttAccepted: 0, fallback: 0 };
  }

  /** Ends running syncs, stops answering, lets go of the sockets; the database stays open. Again: does nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `await using` closes. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  // One engine for all callers; another is made only where that failed.
  #ready(): Promise<NativeSync> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<NativeSync> {
    try {
      const { native: database } = this.#database;
      const engine = await native(addon.NativeSync.open(database, this.#nodeId, this.#config, this.#network));
      this.#trust.attach(engine);
      this.#engine = engine;
      return engine;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }

  async #close(): Promise<void> {
    const engine = await this.#opening?.catch(() => null);
    await (engine && native(engine.close()));
    if (this.#keepAlive !== null) clearInterval(this.#keepAlive);
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw closedError('the sync engine', 'make a new one');
  }
}

/**
 * An engine that is initialized.
 *
 * ERR_NODE_ID where the database has another name, ERR_CONFIG for an identity that cannot be read or made.
 */
export async function createVectorSync(
  db: OpenDatabase,
  nodeId: string,
  config?: Partial<SyncConfig>,
  quicConfig?: QuicTransportConfig,
): Promise<VectorQuicSync> {
  const sync = new VectorQuicSync(db, nodeId, config);
  await sync.initialize(quicConfig);
  return sync;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
