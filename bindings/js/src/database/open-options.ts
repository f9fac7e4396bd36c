// How to open a database.
import { VectrError } from '../check/error';
import { checkInteger } from '../check/number';
import { checkFlag, checkOptions } from '../check/options';
import { checkOptionalText, checkPath } from '../check/text';
import { MAX_DIMENSIONS } from '../check/vector';
import type { OpenOptions } from '../native/native';

export interface VectrDBOptions {
  /** A file; missing parent folders are made. Neither path nor memoryMode: in memory. Both: ERR_ARGUMENT. */
  path?: string;
  memoryMode?: boolean;
  /** What calls without a shard mean. Default: what the file recorded, else the file's stem, 'default' in memory. */
  shardId?: string;
  /** Default: the recorded name, else unnamed until a sync names it. Another than the recorded one: ERR_NODE_ID. */
  nodeId?: string;
  /** 1 to 65,536; fixed by the first insert where it is not given. */
  dimensions?: number;
}

/** The addon's form. @internal */
export function checkOpenOptions(options: unknown): OpenOptions {
  const given = checkOptions<VectrDBOptions>('options', options, [
    'path',
    'memoryMode',
    'shardId',
    'nodeId',
    'dimensions',
  ]);
  const memoryMode = checkFlag('options.memoryMode', given.memoryMode);
  const path = given.path === undefined ? undefined : checkPath('options.path', given.path);
  if (memoryMode && path !== undefined) {
    throw new VectrError('ERR_ARGUMENT', `options has both path '${path}' and memoryMode: give one of them`);
  }
  const { dimensions } = given;
  return {
    path,
    shardId: checkOptionalText('options.shardId', given.shardId),
    nodeId: checkOptionalText('options.nodeId', given.nodeId),
    dimensions:
      dimensions === undefined
        ? undefined
        : checkInteger('options.dimensions', dimensions, 1, MAX_DIMENSIONS, 'ERR_DIMENSIONS'),
  };
}
