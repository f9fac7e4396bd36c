// Deltas of databases: what was applied here after a moment, and what others have applied.
import { native, wrongType } from '../check/error';
import { checkInteger, checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkOptionalText } from '../check/text';
import type { Delta } from '../delta';
import { checkBytes } from '../delta/check';
import { deltaOfBytes } from '../delta/delta';
import { checkDatabase } from './handle';
import type { OpenDatabase } from './open-database';
import type { ShardOptions } from './writes';

/** A `Delta` by what is needed of it. */
export type DeltaBytes = Pick<Delta, 'serialize'>;

export interface DeltaOptions extends ShardOptions {
  /** The most vectors, those that were applied first. The next delta, from this one's timestamp, goes on behind them;
   *  an empty one says that nothing is left. Default: all, or ERR_LIMIT. */
  maxVectors?: number;
  /** A delta that came from the one this is for: what it shows him to hold is left out, so that nothing echoes. */
  answerTo?: DeltaBytes;
}

/**
 * All that was applied here after `sinceTimestamp`: written here, synced, or of a delta. That is the time of local
 * application, which rises with each change whatever the clock does, and never a change's own timestamp. Passing on the
 * last delta's `timestamp` loses nothing. 0: everything. A number below 10^14 is in milliseconds (Date.now()), else in
 * microseconds. What the delta holds is safe on disk.
 *
 * ERR_LIMIT above 65,536 changes or 64 MiB: give `maxVectors`. ERR_BUSY where a transaction of the database stays open.
 */
export async function computeDelta(
  db: OpenDatabase,
  sinceTimestamp: number,
  options?: DeltaOptions,
): Promise<Delta> {
  const { native: database } = checkDatabase('db', db);
  const since = checkInteger('sinceTimestamp', sinceTimestamp, 0, Number.MAX_SAFE_INTEGER);
  const given = checkOptions<DeltaOptions>('options', options, ['shardId', 'maxVectors', 'answerTo']);
  const shardId = checkOptionalText('options.shardId', given.shardId);
  const most = checkOptionalInteger('options.maxVectors', given.maxVectors, 1, Number.MAX_SAFE_INTEGER);
  const answered = given.answerTo === undefined ? undefined : bytesOf('options.answerTo', given.answerTo);
  return deltaOfBytes(await native(database.computeDelta(shardId, since, most, answered)));
}

/**
 * Joins a delta with a shard: all of it or nothing, and safe on disk once this resolves. Applying twice, or in another
 * order, changes nothing.
 *
 * ERR_CHECKSUM and ERR_PROTOCOL for damaged bytes, ERR_ARGUMENT for changes that no database made, ERR_CLOCK_SKEW,
 * ERR_DIMENSIONS, ERR_LIMIT, ERR_BUSY.
 *
 * @param options `shardId`: the shard to join with; a delta of a shard by another name comes in as well.
 */
export async function applyDelta(db: OpenDatabase, delta: DeltaBytes, options?: ShardOptions): Promise<void> {
  const { native: database } = checkDatabase('db', db);
  const { shardId } = checkOptions<ShardOptions>('options', options, ['shardId']);
  const shard = checkOptionalText('options.shardId', shardId);
  await native(database.applyDelta(shard, bytesOf('delta', delta)));
}

function bytesOf(name: string, delta: unknown): Uint8Array {
  const { serialize } = (delta ?? {}) as Partial<DeltaBytes>;
  if (typeof serialize !== 'function') throw wrongType(name, 'a Delta', delta);
  return checkBytes(`${name}.serialize()`, serialize.call(delta));
}
