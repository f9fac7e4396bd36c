// How to open a database.
import { VectrError } from '../check/error';
import { DAY_MS, checkInteger, checkOptionalInteger } from '../check/number';
import { checkFlag, checkOptions } from '../check/options';
import { checkOptionalText, checkPath } from '../check/text';
import { MAX_DIMENSIONS } from '../check/vector';
import type { OpenOptions } from '../native/native';

export interface VectrDBOptions {
  /** A file; missing parent folders are created. In memory if left out. ERR_ARGUMENT together with memoryMode. */
  path?: string;
  memoryMode?: boolean;
  /** The shard used by calls that do not name one. Default: the recorded one, else the file's stem, or 'default' in
   *  memory. */
  shardId?: string;
  /** Default: the recorded name, else unnamed until the first sync. ERR_NODE_ID if another name is recorded. */
  nodeId?: string;
  /** 1 to 65,536. Default: set by the first insert. */
  dimensions?: number;
  /** How long calls wait for an open transaction, of this or of another process, to end before they fail with ERR_BUSY.
   *  Default: 5,000. */
  busyTimeoutMs?: number;
  /** The bytes of the write-ahead log at which queries and iterations that keep it from being emptied are cut off with
   *  ERR_BUSY: 1 MiB to 1 TiB. Default: 256 MiB. */
  logLimitBytes?: number;
  /** Only reads the file, beside others who write it, or in a folder where nothing may be written. Nothing is created; calls
   *  that write reject with ERR_READ_ONLY. Needs a path of a file that exists. Default: false. */
  readOnly?: boolean;
}

/** The addon's form. @internal */
export function checkOpenOptions(options: unknown): OpenOptions {
  const given = checkOptions<VectrDBOptions>('options', options, [
    'path',
    'memoryMode',
    'shardId',
    'nodeId',
    'dimensions',
    'busyTimeoutMs',
    'logLimitBytes',
    'readOnly',
  ]);
  const memoryMode = checkFlag('options.memoryMode', given.memoryMode);
  const path = given.path === undefined ? undefined : checkPath('options.path', given.path);
  if (memoryMode && path !== undefined) {
    throw new VectrError('ERR_ARGUMENT', `options has both path '${path}' and memoryMode: give one of them`);
  }
  const readOnly = checkFlag('options.readOnly', given.readOnly);
  if (readOnly && path === undefined) {
    throw new VectrError('ERR_ARGUMENT', 'options has readOnly and no path: give the path of a database file');
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
    busyTimeoutMs: checkOptionalInteger('options.busyTimeoutMs', given.busyTimeoutMs, 1, DAY_MS),
    logLimitBytes: checkOptionalInteger('options.logLimitBytes', given.logLimitBytes, 2 ** 20, 2 ** 40),
    readOnly: readOnly === true,
  };
}
