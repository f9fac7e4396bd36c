// The compiled core, as the addon and the WASM module both offer it: flat arrays in, flat arrays out.
import type { Metadata } from '../../check/metadata';
import type { ChangeOperation, Compression, ConflictStrategy } from '../change';

/** Changes as they cross. `numbers`: six header numbers (see `Header`), nine columns (see `Column`), then the sites and
 *  the numbers of all version vectors' entries. `text`: lines, joined by '\n': the shard, each change's vector id, the
 *  keys, the JSON texts of the metadata. `vectors`: little-endian 32-bit components, vector after vector. @internal */
export interface FlatChanges {
  numbers: Float64Array;
  text: string;
  vectors: Uint8Array;
}

/** All of a delta but its vectors. @internal */
export interface PackedDelta {
  /** MessagePack: as the bytes of a delta hold it where they are not compressed. */
  columns: Uint8Array;
  checksum: string;
}

/** What the bytes of a delta hold. @internal */
export interface DecodedDelta extends FlatChanges, PackedDelta {
  compression: number;
}

/** The result of resolving changes. Indices refer to the given changes. @internal */
export interface Verdict {
  /** For each vector, sorted by id: the index of the winner (`MERGED`: the versions are to be merged), the number of
   *  concurrent versions, and their indices in order of precedence. */
  groups: Uint32Array;
  /** Pairs of changes with the same dot whose contents were not given; the second of each pair was ignored. */
  duplicateDots: Uint32Array;
  /** The conflict ids of the vectors of which several versions stand: 32 hexadecimal digits each. */
  ids: string;
}

/** The result of resolving operations. @internal */
export interface OperationsVerdict {
  /** As in `Verdict`. */
  groups: Uint32Array;
  /** One operation for each group to be merged, in their order. */
  merged: FlatChanges;
}

/** The functions of the core. Every failure is an error with a stable code. @internal */
export interface Backend {
  encodeDelta(
    numbers: Float64Array,
    text: string,
    vectors: Uint8Array,
    compression: number,
    checksum?: string | null,
  ): Uint8Array;
  packDelta(numbers: Float64Array, text: string, vectors: Uint8Array): PackedDelta;
  /** As `encodeDelta` of what was packed, in memory for just these bytes, where the vectors stand before their place:
   *  at the multiple of four. What compression makes is returned. `timestamp`: of the whole. The WASM module has no
   *  room for it. */
  sealDelta?(
    room: Uint8Array,
    columns: Uint8Array,
    timestamp: number,
    compression: number,
    checksum: string,
  ): Uint8Array | null;
  /** Allocates memory without clearing it. Present with `sealDelta`. */
  allocate?(length: number): ArrayBufferLike;
  /** Parses metadata faster than JSON.parse, if it has the right form. */
  readUniformMetadata?(texts: readonly string[]): Metadata[] | undefined;
  /** The checksum of what was packed, in which all components were finite. As `sealDelta` it only saves time. */
  packedChecksum?(columns: Uint8Array, vectors: Uint8Array): string;
  decodeDelta(bytes: Uint8Array): DecodedDelta;
  resolveChanges(numbers: Float64Array, text: string, vectors: Uint8Array, strategy: number): Verdict;
  mergeChanges(numbers: Float64Array, text: string, vectors: Uint8Array): FlatChanges;
  resolveDeltas(local: Uint8Array, remote: Uint8Array, strategy: number): Uint8Array;
  newestChanges(numbers: Float64Array, text: string): Uint32Array;
  resolveOperations(
    numbers: Float64Array,
    text: string,
    vectors: Uint8Array,
    localCount: number,
    strategy: number,
  ): OperationsVerdict;
  /** `numbers`: how many entries a has, how many b has, their numbers; `text`: their keys as lines. 0: equal, 1: a
   *  before b, 2: a after b, 3: concurrent. */
  relateVersions(text: string, numbers: Float64Array): number;
  /** Pairs: the line of a key, and its number. */
  joinVersions(text: string, numbers: Float64Array): Float64Array;
  /** As `joinVersions`; the last line is the key to count up. */
  incrementVersion(text: string, numbers: Float64Array): Float64Array;
}

/** In place of a winner: the concurrent versions are to be merged. @internal */
export const MERGED = 0xffff_ffff;

/** How many bytes of a delta come before the columns. @internal */
export const HEAD_BYTES = 56;

/** The numbers before the columns. @internal */
export const Header = { count: 0, keys: 1, entries: 2, from: 3, to: 4, timestamp: 5, length: 6 } as const;

/** The columns, each of as many numbers as there are changes. @internal */
export const Column = {
  changeId: 0,
  operation: 1,
  timestamp: 2,
  source: 3,
  dotSite: 4,
  dotSeq: 5,
  entries: 6,
  dimensions: 7,
  hasMetadata: 8,
  length: 9,
} as const;

/** Operations, strategies and compressions are passed as indices into these. @internal */
export const OPERATIONS: readonly [undefined, ...ChangeOperation[]] = [undefined, 'insert', 'update', 'delete'];
/** @internal */
export const DELETE = 3;
/** @internal */
export const STRATEGIES: readonly ConflictStrategy[] = ['last-write-wins', 'first-write-wins', 'merge', 'manual'];
/** @internal */
export const COMPRESSIONS: readonly Compression[] = ['none', 'msgpack', 'lz4', 'zstd'];

/** The number that stands for a strategy. @internal */
export function strategyNumber(strategy: ConflictStrategy): number {
  return STRATEGIES.indexOf(strategy) + 1;
}

/** Sets the backend of this entry of the package; `source` is called at the first use. @internal */
export function provideBackend(source: () => Backend): void {
  provided = source;
}

/** The backend. `nativeNow` translates its errors. @internal */
export function backend(): Backend {
  return provided();
}

// By the time of a call, each entry has provided it.
let provided: () => Backend;
