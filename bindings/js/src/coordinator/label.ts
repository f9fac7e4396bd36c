// Names of shards and nodes, where many are checked.
import { MAX_SHARD_BYTES, checkName, isName } from '../delta/name';

/** What a shard or a node is called: 1 to 256 bytes without control characters. */
export function checkLabel(name: string, value: unknown): string {
  // No character has more than three bytes for each of its UTF-16 units.
  return isName(value, MAX_SHARD_BYTES / 3) ? value : checkName(name, value, MAX_SHARD_BYTES);
}
