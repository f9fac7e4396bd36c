// The bytes level: deltas as columns of numbers, with all vectors in one block, and deltas resolved as bytes.
import { argumentError, describe, nativeNow, wrongType } from '../check/error';
import { checkInteger } from '../check/number';
import { arrayName } from '../check/vector';
import { COMPRESSIONS, Column, type DecodedDelta, Header, backend, strategyNumber } from './backend/backend';
import type { Compression, ConflictStrategy } from './change';
import { checkArray, checkBytes, checkObject } from './check';
import { checkCompression, decodedDelta } from './encoder';
import { checkId } from './name';
import { componentsOf, linesOf } from './packing/unpack';
import { checkStrategy } from './resolver';

/** The changes of a delta, one column per field, with one entry per change unless stated otherwise. */
export interface DeltaColumns {
  shardId: string;
  fromChangeId: number;
  toChangeId: number;
  vectorIds: string[];
  changeIds: Float64Array;
  /** 1: insert, 2: update, 3: delete. */
  operations: Uint8Array;
  /** Microseconds since the Unix epoch. */
  timestamps: Float64Array;
  /** Sites and names of nodes, to which other columns refer by index. */
  keys: string[];
  /** The index of the source node's name in `keys`. */
  sources: Int32Array;
  /** The index of the dot's site in `keys`; -1 if the change has no dot. */
  dotSites: Int32Array;
  /** The dot's sequence number; 0 if the change has no dot. */
  dotSeqs: Float64Array;
  /** The number of entries in the change's version vector. */
  contextCounts: Uint32Array;
  /** For each entry of the version vectors, change after change, the index of its site in `keys`. */
  contextSites: Int32Array;
  /** For each entry of the version vectors its sequence number. */
  contextSeqs: Float64Array;
  /** JSON texts. */
  metadata: Array<string | undefined>;
  /** The number of components of the vector; 0 for a delete. */
  dimensions: Uint32Array;
  /** All components of all vectors, vector after vector. */
  vectors: Float32Array;
}

/** The bytes of a delta: the same as `DeltaEncoder.serialize` makes of the same changes.
 *  @throws ERR_ARGUMENT, ERR_VECTOR and ERR_DIMENSIONS for columns that do not fit together or hold what changes may
 *  not; ERR_CODEC if the compression cannot be written here. */
export function encodeColumns(columns: DeltaColumns, compression: Compression = 'msgpack'): Uint8Array {
  const codec = COMPRESSIONS.indexOf(checkCompression(compression));
  const { numbers, lines } = flatColumns(checkColumns(columns));
  const { buffer, byteOffset, byteLength } = columns.vectors;
  const vectors = new Uint8Array(buffer, byteOffset, byteLength);
  return nativeNow(() => backend().encodeDelta(numbers, lines.join('\n'), vectors, codec));
}

/** Reads the bytes of a delta without creating an object for each change. Errors as of `DeltaEncoder.deserialize`. */
export function decodeColumns(bytes: Uint8Array): DeltaColumns {
  return columnsOf(decodedDelta(bytes));
}

/** Resolves two deltas of one shard into one: one change for each vector, chosen by the strategy, sorted by id; under
 *  'manual' all concurrent versions. Swapping the arguments does not change the bytes.
 *  @throws ERR_CHECKSUM and ERR_PROTOCOL for damaged bytes, ERR_ARGUMENT for deltas of two shards. */
export function resolveDeltas(
  local: Uint8Array,
  remote: Uint8Array,
  strategy: ConflictStrategy = 'last-write-wins',
): Uint8Array {
  const [ours, theirs] = [checkBytes('local', local), checkBytes('remote', remote)];
  const chosen = strategyNumber(checkStrategy(strategy));
  return nativeNow(() => backend().resolveDeltas(ours, theirs, chosen));
}

function flatColumns(columns: DeltaColumns): { numbers: Float64Array; lines: string[] } {
  const { shardId, vectorIds, keys, metadata } = columns;
  const count = vectorIds.length;
  const entries = columns.contextSites.length;
  const numbers = new Float64Array(Header.length + Column.length * count + 2 * entries);
  numbers.set([count, keys.length, entries, columns.fromChangeId, columns.toChangeId]);
  for (const [index, name] of COLUMNS.entries()) numbers.set(columns[name], Header.length + index * count);
  const marks = Header.length + Column.hasMetadata * count;
  const texts: string[] = [];
  for (let index = 0; index < count; index++) {
    const text = metadata[index];
    if (text === undefined) continue;
    texts.push(text);
    numbers[marks + index] = 1;
  }
  numbers.set(columns.contextSites, Header.length + Column.length * count);
  numbers.set(columns.contextSeqs, Header.length + Column.length * count + entries);
  return { numbers, lines: [shardId, ...vectorIds, ...keys, ...texts] };
}

function columnsOf(decoded: DecodedDelta): DeltaColumns {
  const { numbers } = decoded;
  const { shardId, vectorIds, keys, metadata } = linesOf(decoded);
  const count = vectorIds.length;
  const entries = numbers[Header.entries]!;
  const column = (index: number): Float64Array =>
    numbers.slice(Header.length + index * count, Header.length + (index + 1) * count);
  const sites = Header.length + Column.length * count;
  let described = 0;
  return {
    shardId,
    fromChangeId: numbers[Header.from]!,
    toChangeId: numbers[Header.to]!,
    vectorIds,
    changeIds: column(Column.changeId),
    operations: Uint8Array.from(column(Column.operation)),
    timestamps: column(Column.timestamp),
    keys,
    sources: Int32Array.from(column(Column.source)),
    dotSites: Int32Array.from(column(Column.dotSite)),
    dotSeqs: column(Column.dotSeq),
    contextCounts: Uint32Array.from(column(Column.entries)),
    contextSites: Int32Array.from(numbers.subarray(sites, sites + entries)),
    contextSeqs: numbers.slice(sites + entries),
    metadata: Array.from(column(Column.hasMetadata), (mark) => (mark === 1 ? metadata[described++] : undefined)),
    dimensions: Uint32Array.from(column(Column.dimensions)),
    vectors: componentsOf(decoded),
  };
}

// Types and lengths; the core checks the numbers and texts.
function checkColumns(value: unknown): DeltaColumns {
  const columns = checkObject('columns', value, 'an object of columns') as unknown as DeltaColumns;
  checkId('columns.shardId', columns.shardId);
  checkInteger('columns.fromChangeId', columns.fromChangeId);
  checkInteger('columns.toChangeId', columns.toChangeId);
  const count = checkLines('columns.vectorIds', columns.vectorIds).length;
  checkLines('columns.keys', columns.keys);
  checkArray('columns.metadata', columns.metadata, 'JSON texts');
  checkLines('columns.metadata', columns.metadata.filter((text) => text !== undefined) as string[]);
  for (const [name, kind] of Object.entries(KINDS)) {
    const column: unknown = columns[name as keyof typeof KINDS];
    if (!ArrayBuffer.isView(column) || arrayName(column) !== kind) {
      throw wrongType(`columns.${name}`, `a ${kind}`, column);
    }
  }
  for (const name of [...COLUMNS, 'metadata'] as const) checkLength(name, columns[name].length, count);
  checkLength('contextSeqs', columns.contextSeqs.length, columns.contextSites.length);
  return columns;
}

function checkLines(name: string, value: unknown): string[] {
  const lines = checkArray(name, value, 'strings') as string[];
  // One look at all of them, and another at each only where one is unfit.
  if (lines.every((line) => typeof line === 'string') && !UNFIT.test(lines.join(''))) return lines;
  for (const [index, line] of lines.entries()) {
    if (typeof line !== 'string') throw wrongType(`${name}[${index}]`, 'a string', line);
    if (UNFIT.test(line)) {
      throw argumentError(`${name}[${index}] is ${describe(line)}: give text without line breaks and lone surrogates`);
    }
  }
  return lines;
}

function checkLength(name: string, length: number, expected: number): void {
  if (length === expected) return;
  throw argumentError(`columns.${name} has ${length} entries: give ${expected}, as the other columns have`);
}

const KINDS = {
  // In the order of `Column`.
  changeIds: 'Float64Array',
  operations: 'Uint8Array',
  timestamps: 'Float64Array',
  sources: 'Int32Array',
  dotSites: 'Int32Array',
  dotSeqs: 'Float64Array',
  contextCounts: 'Uint32Array',
  dimensions: 'Uint32Array',
  // The others.
  contextSites: 'Int32Array',
  contextSeqs: 'Float64Array',
  vectors: 'Float32Array',
} as const;

type Other = 'contextSites' | 'contextSeqs' | 'vectors';
const COLUMNS = Object.keys(KINDS).slice(0, 8) as Array<Exclude<keyof typeof KINDS, Other>>;

const UNFIT = /\n|\p{Surrogate}/u;
