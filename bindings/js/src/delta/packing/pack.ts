// Packs changes for the core: objects become flat arrays, in one pass over the fields that decide and one over contents.
import { nativeNow } from '../../check/error';
import {
  type Metadata,
  checkMetadata,
  isSameMetadataAs,
  isSimpleMetadata,
  linesOfSimple,
  mayHaveSurrogates,
  snapshotMetadata,
} from '../../check/metadata';
import { MAX_DIMENSIONS, checkVector, isFloat32Array, isShared } from '../../check/vector';
import { type Backend, Column, DELETE, type FlatChanges, HEAD_BYTES, Header, backend } from '../backend/backend';
import type { VectorChange } from '../change';
import { type Naming, checkChanges, isMap } from '../check';
import { MAX_VECTOR_ID_BYTES, isName } from '../name';
import { Keys } from './keys';
import { NO_DOT, type Packed, type Span, isUnchanged } from './packed';

/** The JSON texts that the changes' metadata was read from, which may contain 1.50, or keys in another order. */
export type Written = ReadonlyArray<string | undefined>;

/** What is known of the changes of a delta. */
export interface Given {
  /** Left out: from the smallest id of a change to the greatest. */
  span: Span;
  /** What was packed of them once. */
  known?: Packed;
  /** The delta's: what was made once counts only where it has this checksum. */
  checksum?: string;
  /** Whether the vectors are to stand in memory for the whole delta, where it is known. */
  seals?: boolean;
  written?: Written;
}

/** Gives the core changes in full. Where they are known and still the same, `packed.made` tells what it made of them.
 *  @throws what the core throws; a fault of one change (ERR_ARGUMENT, ERR_VECTOR, ERR_DIMENSIONS) by its name. */
export function withChanges<T>(
  shardId: string,
  changes: readonly VectorChange[],
  nameOf: Naming,
  use: (core: Backend, flat: FlatChanges, packed: Packed) => T,
  given?: Given,
): T {
  return named(shardId, changes, nameOf, () => {
    const packed = packedOnce(shardId, changes, given) ?? packedOf(shardId, changes, given?.span);
    const { numbers, head, made } = packed;
    let { notes } = packed;
    const isNoted = notes !== undefined && isSameMetadataAs(changes, notes);
    if (!isNoted) notes = snapshotMetadata(changes);
    const text =
      isNoted && made ? made.text : head + markedMetadata(numbers, changes, nameOf, isAny, given?.written, notes);
    const isMade = made?.text === text && made.checksum === given?.checksum;
    const used = isMade ? packed : { ...packed, made: undefined, notes };
    const core = backend();
    const columns = isMade && given?.seals && core.allocate ? made.columns.length : undefined;
    return withVectors(
      changes,
      nameOf,
      (vectors) => use(core, { numbers, text, vectors }, used),
      columns === undefined ? undefined : (length) => allocateFor(core.allocate!, columns, length),
    );
  });
}

function packedOnce(shardId: string, changes: readonly VectorChange[], given?: Given): Packed | undefined {
  const known = given?.known;
  return known?.shardId === shardId && isUnchanged(known, changes, given!.span) ? known : undefined;
}

/** Gives the core what decides between changes: no vectors, and no metadata beside one. Errors as of `withChanges`. */
export function withHistories<T>(
  shardId: string,
  changes: readonly VectorChange[],
  nameOf: Naming,
  use: (core: Backend, flat: FlatChanges) => T,
): T {
  return named(shardId, changes, nameOf, () => {
    const { numbers, head } = packedOf(shardId, changes);
    const text = head + markedMetadata(numbers, changes, nameOf, isDelete);
    return use(backend(), { numbers, text, vectors: NO_VECTORS });
  });
}

/** The changes in a new array; those with an array of numbers are copied, with a Float32Array in its place. */
export function withComponents(changes: readonly VectorChange[]): VectorChange[] {
  return changes.map((change) =>
    Array.isArray(change.vector) ? { ...change, vector: Float32Array.from(change.vector) } : change,
  );
}

// A fault of one change is reported with its name; faults that only the core finds are passed on.
function named<T>(shardId: string, changes: readonly VectorChange[], nameOf: Naming, work: () => T): T {
  try {
    return nativeNow(work);
  } catch (error) {
    checkChanges(shardId, changes, nameOf);
    throw error;
  }
}

// As `sealDelta` wants it.
function allocateFor(room: NonNullable<Backend['allocate']>, columns: number, length: number): Float32Array {
  const start = HEAD_BYTES + columns;
  return new Float32Array(room(start + length * Float32Array.BYTES_PER_ELEMENT), start & ~3, length);
}

/** Gives `use` the vectors one after the other, in memory that is used again afterwards, or in what `room` makes. */
export function withVectors<T>(
  changes: ReadonlyArray<{ vector?: unknown }>,
  nameOf: Naming,
  use: (vectors: Uint8Array) => T,
  room?: (length: number) => Float32Array,
): T {
  let length = 0;
  for (let index = 0; index < changes.length; index++) length += lengthOf(changes[index]!.vector);
  const whole = room ? undefined : blockOf(changes);
  if (whole !== undefined) return use(whole);
  const block = room ? room(length) : length <= spare.length ? spare : new Float32Array(length);
  // A getter among the arguments may re-enter this function: it gets memory of its own.
  if (!room) spare = NO_COMPONENTS;
  let start = 0;
  for (let index = 0; index < changes.length; index++) {
    const { vector } = changes[index]!;
    if (vector === undefined) continue;
    // Numbers are rounded to 32 bits here, and may then be infinite: they are checked as they are taken over.
    const components = isFloat32Array(vector) ? vector : checkVector(`${nameOf(index)}.vector`, vector);
    block.set(components, start);
    start += components.length;
  }
  const result = use(new Uint8Array(block.buffer, block.byteOffset, length * Float32Array.BYTES_PER_ELEMENT));
  if (!room && block.length <= MOST_SPARE) spare = block;
  return result;
}

// The memory of all vectors, where they lie one after the other in one block, as those of a decoded delta do.
function blockOf(changes: ReadonlyArray<{ vector?: unknown }>): Uint8Array | undefined {
  const first = changes.find((change) => change.vector !== undefined)?.vector;
  if (!isFloat32Array(first) || isShared(first.buffer)) return undefined;
  const { buffer } = first;
  const start = first.byteOffset;
  let end = start;
  for (let index = 0; index < changes.length; index++) {
    const { vector } = changes[index]!;
    if (vector === undefined) continue;
    if (!isFloat32Array(vector) || vector.byteOffset !== end || vector.buffer !== buffer) return undefined;
    end += vector.byteLength;
  }
  return new Uint8Array(buffer, start, end - start);
}

// The JSON texts as lines, each of them after a line break, and marks for those changes that have one.
function markedMetadata(
  numbers: Float64Array,
  changes: readonly VectorChange[],
  nameOf: Naming,
  isWanted: (change: VectorChange) => boolean,
  written?: Written,
  notes?: unknown[],
): string {
  const marks = Header.length + Column.hasMetadata * changes.length;
  const usual: Metadata[] = [];
  const marked: number[] = [];
  for (let index = 0; index < changes.length; index++) {
    const change = changes[index]!;
    const { metadata } = change;
    if (metadata === undefined || !isWanted(change)) continue;
    numbers[marks + index] = 1;
    marked.push(index);
    // What could be noted is usual.
    if (written === undefined && (notes !== undefined || isSimpleMetadata(metadata))) usual.push(metadata);
  }
  if (usual.length === marked.length) {
    const text = linesOfSimple(usual);
    if (!mayHaveSurrogates(text)) return text;
  }
  const lines = marked.map((index) => {
    const { metadata } = changes[index]!;
    return `\n${writtenText(written?.[index], metadata) ?? checkMetadata(`${nameOf(index)}.metadata`, metadata)}`;
  });
  return lines.join('');
}

// The text that the metadata was read from, where it still says the same.
function writtenText(text: string | undefined, metadata: unknown): string | undefined {
  if (text === undefined) return undefined;
  return JSON.stringify(JSON.parse(text)) === JSON.stringify(metadata) ? text : undefined;
}

function isAny(): boolean {
  return true;
}

// How many components a vector has, 0 where there is none.
function lengthOf(vector: unknown): number {
  if (vector === undefined) return 0;
  if (!isFloat32Array(vector) && !Array.isArray(vector)) throw UNFIT;
  const { length } = vector;
  if (length === 0 || length > MAX_DIMENSIONS) throw UNFIT;
  return length;
}

/** The number of an operation, 0 for what is none. */
export function operationNumber(operation: unknown): number {
  return operation === 'insert' ? 1 : operation === 'update' ? 2 : operation === 'delete' ? DELETE : 0;
}

// Whether a value is a number that the core takes.
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function packedOf(shardId: string, changes: readonly VectorChange[], span?: Span): Packed {
  const count = changes.length;
  const entries = entriesIn(changes);
  const numbers = new Float64Array(Header.length + Column.length * count + 2 * entries);
  const vectorIds: string[] = [];
  const keys = new Keys();
  let site = Header.length + Column.length * count;
  let least = Number.MAX_SAFE_INTEGER;
  let most = 0;
  for (let index = 0; index < count; index++) {
    const change = changes[index]!;
    const { id, timestamp, vectorId, vector, versionVector, dot } = change;
    const operation = operationNumber(change.operation);
    // An update without a vector leaves it as it is.
    if (operation === (vector === undefined ? 1 : DELETE) || operation === 0) throw UNFIT;
    if (change.shardId !== shardId || !isName(vectorId, MAX_VECTOR_ID_BYTES)) throw UNFIT;
    if (!isCount(id) || !isCount(timestamp)) throw UNFIT;
    const source = keys.rank(change.sourceNode);
    const dotSite = dot === undefined ? NO_DOT : keys.rank(dot.site);
    const dotSeq = dot === undefined ? 0 : dot.seq;
    if (source < 0 || (dot !== undefined && (dotSite < 0 || !isCount(dotSeq)))) throw UNFIT;
    vectorIds.push(vectorId);
    // One column after the other, each of `count` numbers: in the order of `Column`.
    let at = Header.length + index;
    numbers[at] = id;
    numbers[(at += count)] = operation;
    numbers[(at += count)] = timestamp;
    numbers[(at += count)] = source;
    numbers[(at += count)] = dotSite;
    numbers[(at += count)] = dotSeq;
    numbers[(at += count)] = versionVector.size;
    numbers[(at += count)] = lengthOf(vector);
    for (const [key, seq] of versionVector) {
      const rank = keys.rank(key);
      if (rank < 0 || !isCount(seq)) throw UNFIT;
      numbers[site] = rank;
      numbers[site + entries] = seq;
      site++;
    }
    if (id < least) least = id;
    if (id > most) most = id;
  }
  numbers[Header.count] = count;
  numbers[Header.keys] = keys.names.length;
  numbers[Header.entries] = entries;
  numbers[Header.from] = span?.from ?? Math.min(least, most);
  numbers[Header.to] = span?.to ?? most;
  const head = [shardId, ...vectorIds, ...keys.names].join('\n');
  return { numbers, head, shardId, vectorIds, keys: keys.names };
}

function entriesIn(changes: readonly VectorChange[]): number {
  let entries = 0;
  for (let index = 0; index < changes.length; index++) {
    const { versionVector } = changes[index]!;
    if (!isMap(versionVector)) throw UNFIT;
    entries += versionVector.size;
  }
  return entries;
}

function isDelete(change: VectorChange): boolean {
  return change.operation === 'delete';
}

// Allocating costs more than filling the memory: up to 4 MiB are kept for the next call.
const MOST_SPARE = 1 << 20;
const NO_COMPONENTS = new Float32Array(0);
let spare: Float32Array = NO_COMPONENTS;

const NO_VECTORS = new Uint8Array(0);
// Never seen outside: `named` finds the fault and reports it.
const UNFIT = new Error('unfit');
