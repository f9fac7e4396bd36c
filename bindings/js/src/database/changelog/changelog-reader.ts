// The changelog of a database, as changes.
import { codeMethods } from '../../check/coded';
import { native, nativeNow } from '../../check/error';
import { checkInteger, checkOptionalInteger } from '../../check/number';
import { checkText } from '../../check/text';
import type { VectorChange } from '../../delta/change';
import { checkVersions } from '../../delta/check';
import { unpackChanges } from '../../delta/packing/unpack';
import { inParts } from '../../lifecycle/turn';
import type { NativeDatabase } from '../../native/native';
import { checkDatabase } from '../handle';
import type { OpenDatabase } from '../open-database';
// Provides the backend that reads metadata.
import '../../delta';

/** Reads the changes that were applied to a database. Superseded changes are not kept. */
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
    const parts = await native(this.#native.readChanges(shard, from, to));
    const changes: VectorChange[] = [];
    await inParts(parts, () => {
      const part = nativeNow(() => parts.take());
      if (part !== null) changes.push(...unpackChanges(part));
    });
    return changes;
  }

  /** The newest change id of a shard; 0 if nothing was ever applied. */
  async getLatestChangeId(shardId: string): Promise<number> {
    return (await this.#head(shardId)).changeId;
  }

  /** For each site (`name@16hex`), the sequence number up to which the shard holds its changes. */
  async getVersionVector(shardId: string): Promise<Map<string, number>> {
    return new Map((await this.#head(shardId)).versionVector);
  }

  /**
   * Advances the shard's version vector, as far as the shard holds every change of a site up to the given number. A
   * delta does not say what else its sender holds, so applying it does not advance the version vector.
   *
   * ERR_NOT_HELD, and no change, for anything the shard does not hold.
   */
  async updateVersionVector(shardId: string, versionVector: Map<string, number>): Promise<void> {
    const shard = checkText('shardId', shardId);
    await native(this.#native.advanceVersionVector(shard, [...checkVersions('versionVector', versionVector)]));
  }

  async #head(shardId: string): ReturnType<NativeDatabase['shardHead']> {
    return native(this.#native.shardHead(checkText('shardId', shardId)));
  }
}

codeMethods(ChangelogReader);
