// `VectrQuicSync` of the first source document: one database, one server.
import { codeMethods } from '../check/coded';
import { VectrError } from '../check/error';
import { checkOptions } from '../check/options';
import { checkText } from '../check/text';
import { checkDatabase } from '../database/handle';
import type { OpenDatabase } from '../database/open-database';
import { asyncDispose } from '../lifecycle/disposal';
import type { PoolStatistics } from '../sync/session';
import { VectorQuicSync } from '../sync/vector-quic-sync';
import { type QuicTransportConfig, checkTransportConfig } from '../transport/config';

export interface VectrQuicSyncOptions {
  /** Trust and connections. Default: servers on this machine only. */
  quicConfig?: QuicTransportConfig;
}

/** The result of a sync with the server. */
export interface VectrQuicSyncResult {
  /** Vectors sent. */
  localVectorsSent: number;
  /** Received vectors that changed this database. */
  remoteVectorsReceived: number;
  /** Vectors whose concurrent versions the shard's strategy resolved. */
  conflictsResolved: number;
  syncLatencyMs: number;
}

/** Syncs the shards of one database with one server, by a `VectorQuicSync`. The node's name is the one that the database
 *  records, else `node-` and the 16 digits of its site, which the first sync records. */
export class VectrQuicSync {
  readonly #sync: VectorQuicSync;
  readonly #address: string;
  readonly #quicConfig: QuicTransportConfig | undefined;
  #ready: Promise<void> | null = null;

  /** @param serverAddress `host` (port 4433), `host:port` or `[ipv6]:port`. */
  constructor(db: OpenDatabase, serverAddress: string, options?: VectrQuicSyncOptions) {
    const { native } = checkDatabase('db', db);
    this.#address = checkText('serverAddress', serverAddress);
    const { quicConfig } = checkOptions<VectrQuicSyncOptions>('options', options, ['quicConfig']);
    checkTransportConfig(quicConfig);
    this.#quicConfig = quicConfig;
    this.#sync = new VectorQuicSync(db, native.nodeId ?? `node-${native.site}`);
  }

  /** The fingerprint for the server to pin, as of `VectorQuicSync`. */
  get fingerprint(): string {
    return this.#sync.fingerprint;
  }

  /** Exchanges the changes of a shard that either side lacks. Rejects with the code of the failure. */
  async sync(shardId: string): Promise<VectrQuicSyncResult> {
    await this.#open();
    const { success, errorCode, error, ...result } = await this.#sync.sync(shardId, this.#address);
    if (!success) throw new VectrError(errorCode ?? 'ERR_STORAGE', error ?? 'the sync failed');
    return {
      localVectorsSent: result.changesSent,
      remoteVectorsReceived: result.changesApplied,
      conflictsResolved: result.conflictsResolved,
      syncLatencyMs: result.durationMs,
    };
  }

  /** Statistics of outgoing connections. */
  getStats(): Promise<PoolStatistics> {
    return this.#sync.getStats();
  }

  /** Closes the sockets; the database stays open. Idempotent. */
  close(): Promise<void> {
    return this.#sync.close();
  }

  /** `await using` closes. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<void> {
    this.#ready ??= this.#sync.initialize(this.#quicConfig);
    try {
      await this.#ready;
    } catch (error) {
      this.#ready = null;
      throw error;
    }
  }
}

codeMethods(VectrQuicSync);
