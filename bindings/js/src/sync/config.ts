// How an engine syncs.
import { DAY_MS, checkOptionalInteger } from '../check/number';
import { checkFlag, checkFunction, checkOptions } from '../check/options';
import { checkWord } from '../check/text';
import type { ConflictStrategy } from '../conflicts/conflict';
import type { ConflictCallback } from '../conflicts/conflict-callback';
import { type Log, type Logger, checkLog } from '../events/logger';
import type { SyncOptions } from '../native/native';

export interface SyncConfig {
  /** Stored in this database for every shard that is synced. Default: the stored one, initially 'last-write-wins'. */
  conflictStrategy: ConflictStrategy;
  /** Maximum number of changes in a batch, 1 to 65,535. Default: as many as fit in 256 KiB. */
  batchSize: number;
  /**
   * Whether batches travel packed by LZ4, both ways: ids and metadata get smaller, embeddings do not. Default: true.
   * Skipped where it takes off less than a sixteenth, and with a peer that does not read it.
   */
  compression: boolean;
  /** Milliseconds between full checks of each auto-sync, give or take a half. Default: 0, no checks; commits are sent as
   *  they happen. */
  syncIntervalMs: number;
  /** How often a failed sync is retried, if a retry can help. Default: 3. */
  maxRetries: number;
  /** Milliseconds before the first retry, doubled each time, with jitter. Default: 1000; at most a day. */
  retryBackoffMs: number;
  /** Whether the file records how far each peer's changes were read, for later processes. Default: true. */
  persistSession: boolean;
  /**
   * Bytes that are read for peers and wait for them to read, over all sessions, 1 to 2^40. Beyond it each session holds one
   * page (256 KiB). Default: 32 MiB.
   */
  maxUnsentBytes?: number;
  /**
   * Bytes that peers have sent and this node has yet to apply, over all sessions, 1 to 2^40. Beyond it each session reads
   * on only once its storage has nothing to do. As much again may have arrived of messages above 512 KiB that are not whole.
   * Default: 32 MiB.
   */
  maxUnappliedBytes?: number;
  /** Number of shards that sessions opened by one peer may make while the engine is open, 0 to 1,000,000. Default: 1,000. */
  maxShardsPerPeer?: number;
  /**
   * Called on this node for each conflict that a sync or a live stream leaves unresolved (under 'manual'), and for those
   * pending when the engine is initialized. Its answer is written as by `resolveConflict`; null and undefined leave the
   * conflict, and the next sync asks again. `sync` awaits it. A few calls run at a time.
   */
  onConflict?: ConflictCallback;
  /** Receives messages about conflicts, peers, failures, and callbacks that throw. Default: none. The environment
   *  variable VECTR_LOG (error, warn, info or debug) writes the same messages to standard error. */
  logger?: Logger;
}

/** A checked configuration, split into the addon's part and the facade's. @internal */
export interface CheckedConfig {
  readonly native: SyncOptions;
  readonly onConflict: ConflictCallback | undefined;
  readonly log: Log;
}

/** ERR_CONFIG for an unknown value of VECTR_LOG. @internal */
export function checkSyncConfig(config: unknown): CheckedConfig {
  const given = checkOptions<Partial<SyncConfig>>('config', config, KEYS);
  const { conflictStrategy } = given;
  return {
    native: {
      conflictStrategy:
        conflictStrategy === undefined ? undefined : checkWord('config.conflictStrategy', conflictStrategy, STRATEGIES),
      batchSize: checkOptionalInteger('config.batchSize', given.batchSize, 1, 65_535),
      compression: checkFlag('config.compression', given.compression),
      maxRetries: checkOptionalInteger('config.maxRetries', given.maxRetries, 0, 1_000_000),
      retryBackoffMs: checkOptionalInteger('config.retryBackoffMs', given.retryBackoffMs, 0, DAY_MS),
      syncIntervalMs: checkOptionalInteger('config.syncIntervalMs', given.syncIntervalMs, 0, DAY_MS),
      persistSession: checkFlag('config.persistSession', given.persistSession),
      maxUnsentBytes: checkOptionalInteger('config.maxUnsentBytes', given.maxUnsentBytes, 1, 2 ** 40),
      maxUnappliedBytes: checkOptionalInteger('config.maxUnappliedBytes', given.maxUnappliedBytes, 1, 2 ** 40),
      maxShardsPerPeer: checkOptionalInteger('config.maxShardsPerPeer', given.maxShardsPerPeer, 0, 1_000_000),
    },
    onConflict: checkFunction('config.onConflict', given.onConflict),
    log: checkLog('config.logger', given.logger),
  };
}

const STRATEGIES: readonly ConflictStrategy[] = ['last-write-wins', 'first-write-wins', 'merge', 'manual'];

const KEYS: ReadonlyArray<keyof SyncConfig> = [
  'conflictStrategy',
  'batchSize',
  'compression',
  'syncIntervalMs',
  'maxRetries',
  'retryBackoffMs',
  'persistSession',
  'maxUnsentBytes',
  'maxUnappliedBytes',
  'maxShardsPerPeer',
  'onConflict',
  'logger',
];
