// How an engine syncs.
import type { ConflictStrategy } from './conflict';
import { VectrError } from './error';
import type { SyncOptions } from './native';
import { DAY_MS, checkOptionalInteger } from './number';
import { checkFlag, checkOptions } from './options';
import { checkWord } from './text';

export interface SyncConfig {
  /** Kept in this database for every shard that is synced; left out: the kept one, at first 'last-write-wins'. */
  conflictStrategy: ConflictStrategy;
  /** Most changes in one batch, 1 to 65,535. Default: as many as fit 256 KiB. */
  batchSize: number;
  /** Default: true. Skipped where it does not pay. */
  compression: boolean;
  /** Milliseconds between automatic syncs; 0, the default, for none. More than 0 is ERR_CONFIG in this version. */
  syncIntervalMs: number;
  /** How often a failed sync is tried again, where that can help. Default: 3. */
  maxRetries: number;
  /** Milliseconds before the first retry, doubled each time, with jitter. Default: 1000; at most a day. */
  retryBackoffMs: number;
  /** Default: true. */
  persistSession: boolean;
}

/** The addon's form. */
export function checkSyncConfig(config: unknown): SyncOptions {
  const given = checkOptions<Partial<SyncConfig>>('config', config, KEYS);
  checkFlag('config.compression', given.compression);
  checkFlag('config.persistSession', given.persistSession);
  const interval = checkOptionalInteger('config.syncIntervalMs', given.syncIntervalMs, 0, DAY_MS);
  if (interval !== undefined && interval > 0) {
    throw new VectrError(
      'ERR_CONFIG',
      `config.syncIntervalMs is ${interval}: this version has no automatic sync, call sync() instead`,
    );
  }
  const { conflictStrategy } = given;
  return {
    conflictStrategy:
      conflictStrategy === undefined ? undefined : checkWord('config.conflictStrategy', conflictStrategy, STRATEGIES),
    batchSize: checkOptionalInteger('config.batchSize', given.batchSize, 1, 65_535),
    maxRetries: checkOptionalInteger('config.maxRetries', given.maxRetries, 0, 1_000_000),
    retryBackoffMs: checkOptionalInteger('config.retryBackoffMs', given.retryBackoffMs, 0, DAY_MS),
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
];
