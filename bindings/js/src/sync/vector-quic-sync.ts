// The sync engine of one database.
import { VectrError, closedError, codeOf, messageOf, native, nativeNow, wrongType } from '../check/error';
import { checkFlag, checkFunction, checkOptions } from '../check/options';
import { checkFingerprint, checkOptionalText, checkText } from '../check/text';
import { type ConflictWinner, type SyncConflict, checkWinner } from '../conflicts/conflict';
import { ConflictQueue } from '../conflicts/conflict-queue';
import { type DatabaseHandle, checkDatabase, isReadable } from '../database/handle';
import type { OpenDatabase } from '../database/open-database';
import { type SyncEventName, type SyncEventOf, type SyncEvents, checkEventName } from '../events/event';
import { EventHub } from '../events/event-hub';
import { logEvent } from '../events/logger';
import { type AbortSignalLike, abortable, abortedError, checkSignal, isSettledFirst } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { ProcessRef } from '../lifecycle/process-ref';
import { addon } from '../native/addon';
import type { NativeCancellation, NativeSync, NetworkOptions, SyncOutcome } from '../native/native';
import { type QuicTransportConfig, type TlsConfig, checkNewTls, checkTransportConfig } from '../transport/config';
import { AutoSyncs } from './auto-syncs';
import { type CheckedConfig, type SyncConfig, checkSyncConfig } from './config';
import { registerSyncHandle } from './handle';
import { ProgressReports } from './progress';
import { type SyncProgress, type SyncResult, failedResult, resultOf } from './result';
import { type PoolStatistics, type ShardState, type SyncSession, sessionOf, shardStateOf } from './session';
import { Trust } from './trust';

export interface SyncOptions {
  /** Ends the sync early with ERR_ABORTED: what was applied stays applied. */
  signal?: AbortSignalLike;
  /** Hears how far the sync has come. What it throws is reported as a process warning. */
  onProgress?: (progress: SyncProgress) => void;
}

/** What hears of events. What it throws is a 'syncError' event with the code ERR_LISTENER. */
export type SyncEventListener<Name extends SyncEventName = SyncEventName> = (event: SyncEventOf<Name>) => void;

/**
 * Syncs the shards of one database with any number of peers, over QUIC, with no server needed. After `close` every
 * method but `off` fails with ERR_CLOSED. An engine that listens, or has an auto-sync, keeps the process alive.
 */
export class VectorQuicSync {
  readonly #database: DatabaseHandle;
  readonly #nodeId: string;
  readonly #config: CheckedConfig;
  readonly #trust = new Trust();
  readonly #processRef = new ProcessRef(this);
  readonly #hub: EventHub;
  readonly #conflicts: ConflictQueue;
  readonly #autoSyncs: AutoSyncs;
  readonly #closed = new AbortController();
  // Kept where opening fails: a second try must not trust more than the first was told to.
  #network: NetworkOptions = checkTransportConfig(undefined);
  #fingerprint: string | null = null;
  #session: SyncSession | null = null;
  #engine: NativeSync | null = null;
  #opening: Promise<NativeSync> | null = null;
  #closing: Promise<void> | null = null;

  /**
   * An engine for `db`. No socket is opened, and nothing written, before the first use.
   *
   * @param nodeId what this node is called, 1 to 256 bytes; another than the database's is ERR_NODE_ID at first use.
   */
  constructor(db: OpenDatabase, nodeId: string, config?: Partial<SyncConfig>) {
    this.#database = checkDatabase('db', db);
    this.#nodeId = checkText('nodeId', nodeId);
    this.#config = checkSyncConfig(config);
    const { log, onConflict } = this.#config;
    const ready = () => this.#ready();
    this.#hub = new EventHub(log);
    if (!log.isSilent) this.#hub.watch((event) => logEvent(log, event));
    this.#conflicts = new ConflictQueue(this.#database, onConflict, this.#hub, log);
    this.#autoSyncs = new AutoSyncs(ready, this.#hub, this.#processRef);
    registerSyncHandle(this, {
      nodeId: this.#nodeId,
      processRef: this.#processRef,
      hub: this.#hub,
      checkOpen: () => this.#checkOpen(),
      ready,
      run: (signal, work) => this.#run(signal, work),
    });
  }

  /**
   * SHA-256 of this node's certificate, 64 hexadecimal digits: what others pin. Before `initialize` it is that of the
   * identity beside the database, which is read or made; a database in memory has none before (ERR_CONFIG).
   */
  get fingerprint(): string {
    if (this.#engine !== null) return this.#engine.fingerprint;
    this.#fingerprint ??= nativeNow(() => addon.NativeSync.identityOf(this.#database.native));
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

  /**
   * Replaces whom this node trusts and what it shows, as `initialize` reads it, with the files read anew. Counts at once:
   * peers that are trusted no longer are cut off; a new certificate is shown on every new connection, and without
   * `certPath` the last one stays. ERR_CONFIG changes nothing.
   */
  async setTrust(tls: TlsConfig): Promise<void> {
    this.#checkOpen();
    const trust = checkNewTls('tls', tls);
    const engine = await this.#ready();
    await native(engine.setTrust(trust));
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
   * Answers other nodes' syncs on `host:port`, `host` (port 4433) or `[ipv6]:port`; port 0 means any free one. Default:
   * QUIC_HOST and QUIC_PORT, else '127.0.0.1:4433'. Resolves to the bound address. ERR_ARGUMENT for a malformed address,
   * ERR_CONFIG where it cannot be bound.
   */
  async listen(address?: string): Promise<string> {
    this.#checkOpen();
    const wanted = checkOptionalText('address', address);
    const engine = await this.#ready();
    const bound = await native(engine.listen(wanted));
    this.#checkOpen();
    this.#processRef.add('listening');
    this.#config.log.debug(`listening on ${bound}`, { address: bound });
    return bound;
  }

  /**
   * Exchanges with the node at `peerAddress` what each lacks of a shard; resolves when both hold all of it safely.
   *
   * Rejects only for an argument of the wrong kind, after close (ERR_CLOSED) and on abort (ERR_ABORTED). All else, a
   * malformed address, ERR_TRUST and ERR_STORAGE included, resolves with `success: false`, `error` and `errorCode`.
   *
   * Awaits `onConflict` for the conflicts that the shard has afterwards.
   *
   * @param force reads the peer's changes from their beginning, not from where the last sync ended.
   */
  async sync(shardId: string, peerAddress: string, force?: boolean, options?: SyncOptions): Promise<SyncResult> {
    this.#checkOpen();
    const [shard, address] = [checkText('shardId', shardId), checkText('peerAddress', peerAddress)];
    const again = checkFlag('force', force) ?? false;
    const given = checkOptions<SyncOptions>('options', options, ['signal', 'onProgress']);
    const listener = checkFunction('options.onProgress', given.onProgress);
    const reports = listener && new ProgressReports(listener, shard, address);
    const started = performance.now();
    try {
      const [result] = await this.#run(checkSignal('options.signal', given.signal), async (engine, cancellation) => [
        await engine.sync(shard, address, again, cancellation, reports?.report),
      ]);
      return result!;
    } catch (error) {
      if (error instanceof TypeError || codeOf(error) === 'ERR_ABORTED') throw error;
      this.#checkOpen();
      const errorCode = codeOf(error) ?? 'ERR_STORAGE';
      this.#hub.report({ shardId: shard, peerAddress: address, error: messageOf(error), errorCode });
      return failedResult(shard, address, error, performance.now() - started);
    } finally {
      reports?.end();
    }
  }

  /**
   * Keeps a shard in step with the node at `peerAddress` from now on: each commit of either node travels as it happens,
   * and a broken stream is opened again. `config.syncIntervalMs` adds a full check now and then. The same pair twice:
   * no effect. Failures are 'syncError' events; only a malformed address or an engine that does not open ends it.
   */
  startAutoSync(shardId: string, peerAddress: string): void {
    this.#checkOpen();
    this.#autoSyncs.start(checkText('shardId', shardId), checkText('peerAddress', peerAddress));
  }

  /** Ends the auto-syncs of a shard; what was applied stays. Without one it does nothing. */
  stopAutoSync(shardId: string): void {
    this.#checkOpen();
    this.#autoSyncs.stop(checkText('shardId', shardId));
  }

  /** Ends all auto-syncs. */
  stopAllAutoSyncs(): void {
    this.#checkOpen();
    this.#autoSyncs.stopAll();
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
    if (engine !== null && isReadable(this.#database)) this.#session = sessionOf(nativeNow(() => engine.session()));
    return this.#session;
  }

  /**
   * The conflicts that someone has to settle, of shards whose strategy is 'manual', with all their versions. Read on
   * the calling thread from the database, which keeps them; while a transaction of a database in memory is open, what
   * was read last.
   */
  getUnresolvedConflicts(shardId?: string): SyncConflict[] {
    this.#checkOpen();
    return this.#conflicts.list(checkOptionalText('shardId', shardId));
  }

  /**
   * Settles a conflict: an ordinary write that supersedes every version that the conflict showed. A version that came
   * since stands beside it, as a conflict with another id.
   *
   * ERR_NOT_FOUND where nothing of the conflict stands any more, ERR_ARGUMENT where the winner is of another vector,
   * ERR_DIMENSIONS, ERR_VECTOR.
   *
   * @param winner one of the versions, or any other change of the same vector; one whose operation is 'delete' deletes.
   */
  async resolveConflict(conflictId: string, winner: ConflictWinner): Promise<void> {
    this.#checkOpen();
    const id = checkText('conflictId', conflictId);
    checkWinner('winner', winner);
    await native(this.#conflicts.resolve(id, winner));
  }

  /** Calls `listener` for each event of this kind. An unknown kind is an error that suggests one. */
  on<Name extends SyncEventName>(event: Name, listener: SyncEventListener<Name>): this {
    return this.#listen(event, listener, false);
  }

  /** Calls `listener` for the next event of this kind. */
  once<Name extends SyncEventName>(event: Name, listener: SyncEventListener<Name>): this {
    return this.#listen(event, listener, true);
  }

  /** Takes a listener back; one that was never added is no error. */
  off<Name extends SyncEventName>(event: Name, listener: SyncEventListener<Name>): this {
    this.#hub.remove(checkEventName(event), checkListener(listener));
    return this;
  }

  /**
   * All events from now on, one by one. Ends when the engine closes, and with ERR_ABORTED through the signal; `break`
   * frees it. What a slow reader has not taken is put together by kind, shard and peer: changes and conflicts add up.
   */
  events(options?: { signal?: AbortSignalLike }): SyncEvents {
    this.#checkOpen();
    const { signal } = checkOptions<{ signal?: AbortSignalLike }>('options', options, ['signal']);
    return this.#hub.queue(checkSignal('options.signal', signal));
  }

  /** The connections made from here. */
  async getStats(): Promise<PoolStatistics> {
    this.#checkOpen();
    return this.#engine?.statistics() ?? { active: 0, idle: 0, created: 0, closed: 0, zeroRttAccepted: 0, fallback: 0 };
  }

  /** Ends syncs and auto-syncs, stops answering, lets go of the sockets; the database stays open. Again: nothing. */
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
      const engine = await native(addon.NativeSync.open(database, this.#nodeId, this.#config.native, this.#network));
      this.#trust.attach(engine);
      this.#hub.attach(engine);
      this.#engine = engine;
      this.#conflicts.attach();
      return engine;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }

  // Several syncs at a time, and what follows from them: all of it ends with the signal, and with the engine.
  async #run(
    signal: AbortSignalLike | undefined,
    work: (engine: NativeSync, cancellation: NativeCancellation | undefined) => Promise<SyncOutcome[]>,
  ): Promise<SyncResult[]> {
    const round = this.#conflicts.begin();
    try {
      return await abortable(signal, async (cancellation) => {
        const results = (await native(work(await this.#ready(), cancellation))).map(resultOf);
        const settling = this.#conflicts.settle(results, round);
        if (settling !== null && !(await isSettledFirst(settling, [signal, this.#closed.signal]))) {
          this.#checkOpen();
          throw abortedError(signal!);
        }
        return results;
      });
    } finally {
      this.#conflicts.end(round);
    }
  }

  #listen<Name extends SyncEventName>(event: Name, listener: SyncEventListener<Name>, once: boolean): this {
    this.#checkOpen();
    this.#hub.add(checkEventName(event), checkListener(listener), once);
    return this;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    this.#autoSyncs.stopAll();
    this.#conflicts.close();
    const engine = await this.#opening?.catch(() => null);
    try {
      await (engine && native(engine.close()));
    } finally {
      this.#processRef.clear();
      await this.#hub.close();
    }
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

function checkListener<T>(listener: T): T {
  if (typeof listener !== 'function') throw wrongType('listener', 'a function', listener);
  return listener;
}
