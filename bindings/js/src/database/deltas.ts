// Deltas of databases: computes and applies them.
import { readable } from '../check/coded';
import { native, wrongType } from '../check/error';
import { checkInteger, checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkOptionalText } from '../check/text';
import { Delta } from '../delta';
import { checkBytes } from '../delta/check';
import { bytesWithin, deltaOfBytes } from '../delta/delta';
import { inParts } from '../lifecycle/turn';
import { checkDatabase } from './handle';
import type { OpenDatabase } from './open-database';
import type { ShardOptions } from './writes';

/** The part of a `Delta` that these functions need. Of another object, the bytes above 4 MiB are read after the call has
 *  returned: leave them alone until it has settled. */
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
  const known = ArrayBuffer.isView(answered) ? answered : await answered;
  const bytes = await native(database.computeDelta(shardId, since, most, known));
  return deltaOfBytes(bytes);
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
  const bytes = bytesOf('delta', delta);
  await native(database.applyDelta(shard, ArrayBuffer.isView(bytes) ? bytes : await bytes));
}

// Bytes that nobody changes while the addon reads them on another thread. Only many that may be changed take a while.
function bytesOf(name: string, delta: unknown): Uint8Array | Promise<Uint8Array> {
  const { bytes, isOwn } = readable(name, () => {
    const { serialize } = (delta ?? {}) as Partial<DeltaBytes>;
    if (typeof serialize !== 'function') throw wrongType(name, 'a Delta', delta);
    // `serialize` would copy them.
    if (serialize === Delta.prototype.serialize) return { bytes: bytesWithin(delta as Delta), isOwn: true };
    return { bytes: checkBytes(`${name}.serialize()`, serialize.call(delta)), isOwn: false };
  });
  if (isOwn) return bytes;
  return bytes.length > BYTES_AT_ONCE ? copied(bytes) : Uint8Array.from(bytes);
}

async function copied(bytes: Uint8Array): Promise<Uint8Array> {
  const copy = new Uint8Array(bytes.length);
  const source = { left: bytes.length };
  await inParts(source, () => {
    const from = bytes.length - source.left;
    copy.set(bytes.subarray(from, from + BYTES_AT_ONCE), from);
    source.left = Math.max(0, source.left - BYTES_AT_ONCE);
  });
  return copy;
}

const BYTES_AT_ONCE = 2 ** 22;
