// The changelog of a database, as changes.
import { native } from '../check/error';
import { checkInteger, checkOptionalInteger } from '../check/number';
import { checkText } from '../check/text';
import type { VectorChange } from '../delta/change';
import { checkVersions } from '../delta/check';
import { decodedDelta } from '../delta/encoder';
import { unpackChanges } from '../delta/packing/unpack';
import type { NativeDatabase } from '../native/native';
import { checkDatabase } from './handle';
import type { OpenDatabase } from './open-database';
// It provides the core that reads deltas.
import '../delta';

/** Reads what was applied to a database. A change that was superseded is no longer there. */
export class ChangelogReader {
  readonly #native: NativeDatabase;

  constructor(db: OpenDatabase) {
    this.#native = checkDatabase('db', db).native;
  }

  /** The changes after `fromChangeId`, up to and including `toChangeId` (default: all), in the order of their ids. */
  async readChanges(shardId: string, fromChangeId: number, toChangeId?: number): Promise<VectorChange[]> {
    const shard = checkText('shardId', shardId);
    const from = checkInteger('fromChangeId', fromChangeId, 0, Number.MAX_SAFE_INTEGER);
    const to = checkOptionalInteger('toChangeId', toChangeId, 0, Number.MAX_SAFE_INTEGER);
    const deltas = await native(this.#native.readChanges(shard, from, to));
    return deltas.flatMap((bytes) => unpackChanges(decodedDelta(bytes)));
  }

  /** The newest change id of a shard; 0 where nothing was ever applied. */
  async getLatestChangeId(shardId: string): Promise<number> {
    return (await this.#head(shardId)).changeId;
  }

  /** For each site, `name@16hex`, the number up to which the shard holds its changes. */
  async getVersionVector(shardId: string): Promise<Map<string, number>> {
    return new Map((await this.#head(shardId)).versionVector);
  }

  /**
   * Joins what the shard really holds: what its version vector covers already, and numbers up to which every change of
   * a site stands here. A delta says nothing of what else its maker holds, so it moves no version vector by itself.
   *
   * ERR_NOT_HELD for more; nothing has changed then.
   */
  async updateVersionVector(shardId: string, versionVector: Map<string, number>): Promise<void> {
    const shard = checkText('shardId', shardId);
    await native(this.#native.advanceVersionVector(shard, [...checkVersions('versionVector', versionVector)]));
  }

  async #head(shardId: string): ReturnType<NativeDatabase['shardHead']> {
    return native(this.#native.shardHead(checkText('shardId', shardId)));
  }
}
