// The sync engine of one database.
import { codeMethods } from '../check/coded';
import { VectrError, closedError, native, nativeNow, wrongType } from '../check/error';
import { DAY_MS, checkOptionalInteger } from '../check/number';
import { checkFlag, checkFunction, checkOptions } from '../check/options';
import { checkFingerprint, checkOptionalText, checkText } from '../check/text';
import { codeOf, messageOf } from '../check/thrown';
import { type ConflictWinner, type SyncConflict, checkWinner } from '../conflicts/conflict';
import { ConflictCaller } from '../conflicts/conflict-callback';
import { UnresolvedConflicts } from '../conflicts/unresolved-conflicts';
import { type DatabaseHandle, checkDatabase, isReadable } from '../database/handle';
import type { OpenDatabase } from '../database/open-database';
import {
  type HeardEventName,
  type SyncEventName,
  type SyncEventOf,
  type SyncEvents,
  checkEventName,
} from '../events/event';
import { EventHub } from '../events/event-hub';
import { logEvent } from '../events/logger';
import { type AbortSignalLike, Alarm, abortable, checkSignal } from '../lifecycle/abort';
import { asyncDispose } from '../lifecycle/disposal';
import { ProcessRef } from '../lifecycle/process-ref';
import { addon } from '../native/addon';
import type { NativeCancellation, NativeExchange, NativeSync, NetworkOptions } from '../native/native';
import { type QuicTransportConfig, type TlsConfig, checkNewTls, checkTransportConfig } from '../transport/config';
import { AutoSyncs } from './auto-syncs';
import { type CheckedConfig, type SyncConfig, checkSyncConfig } from './config';
import { registerSyncHandle } from './handle';
import { ProgressReports } from './progress';
import { type SyncProgress, type SyncResult, failedResult, resultsOf } from './result';
import { type ShardState, type SyncSession, type SyncStatistics, sessionOf, shardStateOf } from './session';
import { Trust } from './trust';

export interface SyncOptions {
  /** Ends the sync early with ERR_ABORTED: what was applied stays applied. */
  signal?: AbortSignalLike;
  /** Milliseconds until the sync fails with ERR_TIMEOUT: what was applied stays applied, and the result counts what was
   *  done by then. Default: no limit. */
  timeoutMs?: number;
  /** Called with the sync's progress. Whatever it throws is reported as a process warning. */
  onProgress?: (progress: SyncProgress) => void;
}

/** A listener for events. Whatever it throws is a 'syncError' event with the code ERR_LISTENER. */
export type SyncEventListener<Name extends HeardEventName = SyncEventName> = (event: SyncEventOf<Name>) => void;

/**
 * Syncs the shards of one database with any number of peers over QUIC; no server is needed. After `close` every method
 * but `off` fails with ERR_CLOSED. An engine keeps the process alive while it listens or has an auto-sync.
 */
export class VectorQuicSync {
  readonly #database: DatabaseHandle;
  readonly #nodeId: string;
  readonly #config: CheckedConfig;
  readonly #trust = new Trust();
  readonly #processRef = new ProcessRef(this);
  readonly #hub: EventHub;
  readonly #conflicts: UnresolvedConflicts;
  readonly #caller: ConflictCaller | undefined;
  readonly #autoSyncs: AutoSyncs;
  readonly #closed = new AbortController();
  // Kept if opening fails: a second try must not trust more than the first.
  #network: NetworkOptions = checkTransportConfig(undefined);
  #fingerprint: string | null = null;
  #session: SyncSession | null = null;
  #engine: NativeSync | null = null;
  #opening: Promise<NativeSync> | null = null;
  #closing: Promise<void> | null = null;

  /**
   * An engine for `db`. Opens no socket and writes nothing before its first use.
   *
   * @param nodeId the name of this node, 1 to 256 bytes; ERR_NODE_ID at the first use if the database has another.
   */
  constructor(db: OpenDatabase, nodeId: string, config?: Partial<SyncConfig>) {
    this.#database = checkDatabase('db', db);
    this.#nodeId = checkText('nodeId', nodeId);
    this.#config = checkSyncConfig(config);
    const { log, onConflict } = this.#config;
    const ready = () => this.#ready();
    this.#hub = new EventHub(log);
    if (!log.isSilent) this.#hub.watch((event) => logEvent(log, event));
    this.#conflicts = new UnresolvedConflicts(this.#database, log);
    this.#caller = onConflict && new ConflictCaller(onConflict, this.#hub, log);
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
   * SHA-256 of this node's certificate, 64 hexadecimal digits: what others pin. Before `initialize`, that of the identity
   * file beside the database, which is created if missing; ERR_CONFIG for a database in memory.
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
   * Reads or creates this node's identity and checks the configuration. Needs no server. The first use calls it
   * implicitly; a second call with a configuration is ERR_CONFIG.
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
   * Replaces the trust settings and this node's certificate, read as by `initialize`; files are read again. Takes effect
   * at once: connections to peers that are no longer trusted are closed, and new connections use the new certificate.
   * Without `certPath` the certificate stays. ERR_CONFIG changes nothing.
   */
  async setTrust(tls: TlsConfig): Promise<void> {
    this.#checkOpen();
    const trust = checkNewTls('tls', tls);
    const engine = await this.#ready();
    await native(engine.setTrust(trust));
  }

  /** Trusts one more peer from now on. After the first pin only pinned peers are trusted, even on this machine. */
  pinPeer(fingerprint: string): void {
    this.#checkOpen();
    this.#trust.pin(checkFingerprint('fingerprint', fingerprint));
  }

  /** Stops trusting a peer and closes its connections; false if it was not pinned. */
  unpinPeer(fingerprint: string): boolean {
    this.#checkOpen();
    return this.#trust.unpin(checkFingerprint('fingerprint', fingerprint));
  }

  /**
   * Answers other nodes' syncs on `host:port`, `host` (port 4433) or `[ipv6]:port`; port 0 means any free one. Default:
   * QUIC_HOST and QUIC_PORT, else '127.0.0.1:4433'. Resolves to the bound address. ERR_ARGUMENT for a malformed address,
   * ERR_CONFIG if it cannot be bound.
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
   * Exchanges the changes of a shard that either node lacks; resolves once both have them safe on disk.
   *
   * Rejects only for an argument of the wrong type, after close (ERR_CLOSED) and on abort (ERR_ABORTED). Every other
   * failure, such as a malformed address, ERR_TRUST, ERR_TIMEOUT or ERR_STORAGE, resolves with `success: false`, `error`,
   * `errorCode`, and the numbers of what was done. However it ends, what was applied stays applied.
   *
   * Awaits `onConflict` for the conflicts that are left in the shard.
   *
   * @param force reads the peer's changes from the beginning instead of where the last sync ended.
   */
  async sync(shardId: string, peerAddress: string, force?: boolean, options?: SyncOptions): Promise<SyncResult> {
    this.#checkOpen();
    const [shard, address] = [checkText('shardId', shardId), checkText('peerAddress', peerAddress)];
    const again = checkFlag('force', force) ?? false;
    const given = checkOptions<SyncOptions>('options', options, ['signal', 'timeoutMs', 'onProgress']);
    const timeoutMs = checkOptionalInteger('options.timeoutMs', given.timeoutMs, 1, DAY_MS);
    const signal = checkSignal('options.signal', given.signal);
    const listener = checkFunction('options.onProgress', given.onProgress);
    const reports = listener && new ProgressReports(listener, shard, address);
    const started = performance.now();
    const alarm = timeoutMs === undefined ? undefined : new Alarm(timeoutMs);
    const work = (engine: NativeSync, cancellation: NativeCancellation | undefined) => {
      const left = timeoutMs && Math.max(1, timeoutMs - (performance.now() - started));
      return engine.sync(shard, address, { force: again, timeoutMs: left }, cancellation, reports?.report);
    };
    try {
      const [result] = await this.#run(signal, work, alarm?.signal);
      return result!;
    } catch (error) {
      if (error instanceof TypeError || codeOf(error) === 'ERR_ABORTED') throw error;
      this.#checkOpen();
      const errorCode = codeOf(error) ?? 'ERR_STORAGE';
      this.#hub.report({ shardId: shard, peerAddress: address, error: messageOf(error), errorCode });
      return failedResult(shard, address, error, performance.now() - started);
    } finally {
      alarm?.stop();
      reports?.end();
    }
  }

  /**
   * Keeps a shard in sync with the node at `peerAddress` from now on: each commit of either node is sent as it happens,
   * and a broken stream is opened again. `config.syncIntervalMs` adds periodic full checks. Repeating a pair has no
   * effect. Failures are 'syncError' events; only a malformed address or an engine that fails to open ends it.
   */
  startAutoSync(shardId: string, peerAddress: string): void {
    this.#checkOpen();
    this.#autoSyncs.start(checkText('shardId', shardId), checkText('peerAddress', peerAddress));
  }

  /** Ends the auto-syncs of a shard, if there are any; applied changes stay. */
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
   * The engine's view of its shards, read on the calling thread; null before the first use. While a transaction of a
   * database in memory is open, the result of the last read.
   */
  getSession(): SyncSession | null {
    this.#checkOpen();
    const engine = this.#engine;
    if (engine !== null && isReadable(this.#database)) this.#session = sessionOf(nativeNow(() => engine.session()));
    return this.#session;
  }

  /**
   * The unresolved conflicts of shards whose strategy is 'manual', with all their versions. Read from the database on
   * the calling thread; while a transaction of a database in memory is open, the result of the last read.
   */
  getUnresolvedConflicts(shardId?: string): SyncConflict[] {
    this.#checkOpen();
    return this.#conflicts.list(checkOptionalText('shardId', shardId));
  }

  /**
   * Resolves a conflict by an ordinary write that supersedes every version shown in it. A version that arrived since
   * conflicts with that write, under another id.
   *
   * ERR_NOT_FOUND if the conflict no longer exists, ERR_ARGUMENT if the winner is of another vector, ERR_DIMENSIONS,
   * ERR_VECTOR.
   *
   * @param winner one of the versions, or any other change of the same vector; the operation 'delete' deletes it.
   */
  async resolveConflict(conflictId: string, winner: ConflictWinner): Promise<void> {
    this.#checkOpen();
    const id = checkText('conflictId', conflictId);
    checkWinner('winner', winner);
    await native(this.#conflicts.resolve(id, winner));
  }

  /** Calls `listener` for each event of this kind. An unknown kind is a TypeError that suggests one. */
  on<Name extends HeardEventName>(event: Name, listener: SyncEventListener<Name>): this {
    return this.#listen(event, listener, false);
  }

  /** Calls `listener` for the next event of this kind. */
  once<Name extends HeardEventName>(event: Name, listener: SyncEventListener<Name>): this {
    return this.#listen(event, listener, true);
  }

  /** Removes a listener, if it was added. */
  off<Name extends HeardEventName>(event: Name, listener: SyncEventListener<Name>): this {
    this.#hub.remove(checkEventName(event), checkListener(listener));
    return this;
  }

  /**
   * All events but repairs from now on, one by one. Ends when the engine closes, or with ERR_ABORTED through the signal; `break`
   * releases it. Events that a slow reader has not taken are merged by kind, shard and peer: changes and conflicts add
   * up.
   */
  events(options?: { signal?: AbortSignalLike }): SyncEvents {
    this.#checkOpen();
    const { signal } = checkOptions<{ signal?: AbortSignalLike }>('options', options, ['signal']);
    return this.#hub.queue(checkSignal('options.signal', signal));
  }

  /** Statistics of outgoing connections, and of the feeds of shards that have live sessions. */
  async getStats(): Promise<SyncStatistics> {
    this.#checkOpen();
    const none = { active: 0, idle: 0, created: 0, closed: 0, zeroRttAccepted: 0, fallback: 0 };
    return { ...(this.#engine?.statistics() ?? none), feeds: this.#engine?.feeds() ?? [] };
  }

  /** Ends syncs and auto-syncs, stops listening and closes the sockets; the database stays open. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `await using` closes. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  // One engine for all callers; opened again only after a failure.
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
      this.#caller?.attach(engine);
      return engine;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }

  // Runs syncs and what `onConflict` makes of them; the signal and `close` end both. The addon knows its time limit, and
  // has to look at it once `late` aborts.
  async #run(
    signal: AbortSignalLike | undefined,
    work: (engine: NativeSync, cancellation: NativeCancellation | undefined) => Promise<NativeExchange>,
    late?: AbortSignalLike,
  ): Promise<SyncResult[]> {
    return await abortable(signal, async (cancellation) => {
      const exchange = await native(work(await this.#ready(), cancellation));
      await (this.#caller?.settle(exchange, [signal, late, this.#closed.signal]) ?? native(exchange.settle(false)));
      return await resultsOf(exchange);
    });
  }

  #listen<Name extends HeardEventName>(event: Name, listener: SyncEventListener<Name>, once: boolean): this {
    this.#checkOpen();
    this.#hub.add(checkEventName(event), checkListener(listener), once);
    return this;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    this.#autoSyncs.stopAll();
    this.#caller?.close();
    const engine = await this.#opening?.catch(() => null);
    try {
      await (engine && native(engine.close()));
    } finally {
      this.#processRef.clear();
      this.#hub.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw closedError('the sync engine', 'make a new one');
  }
}

codeMethods(VectorQuicSync);

/**
 * An engine that is initialized.
 *
 * ERR_NODE_ID if the database has another name, ERR_CONFIG for an identity that cannot be read or created.
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
