// Deltas of databases: computes and applies them.
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

/** The part of a `Delta` that these functions need. */
export type DeltaBytes = Pick<Delta, 'serialize'>;

export interface DeltaOptions extends ShardOptions {
  /** The maximum number of vectors; those applied first come first. Passing this delta's timestamp continues behind
   *  them, until a delta is empty. Default: all, or ERR_LIMIT. */
  maxVectors?: number;
  /** A delta received from the peer this one is for: changes that it shows the peer to hold are left out. */
  answerTo?: DeltaBytes;
}

/**
 * All changes applied here after `sinceTimestamp`, whether written here, synced or taken from a delta. That is the time
 * of local application, which rises with each change whatever the clock does, not a change's own timestamp. Passing the
 * last delta's `timestamp` misses nothing. 0: everything. A number below 10^14 is in milliseconds (Date.now()), else in
 * microseconds. The content of the delta is safe on disk.
 *
 * ERR_LIMIT above 65,536 changes or 64 MiB: give `maxVectors`. ERR_BUSY if a transaction of the database stays open.
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
 * Joins a delta with a shard, all of it or nothing; it is safe on disk once this resolves. Repetition and order do not
 * matter.
 *
 * ERR_CHECKSUM and ERR_PROTOCOL for damaged bytes, ERR_ARGUMENT for hand-made changes, ERR_CLOCK_SKEW,
 * ERR_DIMENSIONS, ERR_LIMIT, ERR_BUSY.
 *
 * @param options `shardId`: the shard to join with, which may have another name than the delta's.
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
