// Deltas: changes with a checksum, and their bytes.
import { VectrError, codeOf, nativeNow, wrongType } from '../check/error';
import { snapshotMetadata } from '../check/metadata';
import { checkInteger } from '../check/number';
import { checkWord } from '../check/text';
import { type Backend, COMPRESSIONS, type DecodedDelta, type FlatChanges, Header, backend } from './backend/backend';
import type { Compression, VectorChange, VectorDelta } from './change';
import { checkArray, checkBytes, checkObject, inArray, sharedShard } from './check';
import { checkId } from './name';
import { type Written, withChanges, withComponents, withHistories } from './packing/pack';
import { type Packed, newest } from './packing/packed';
import { type Lines, linesOf, unpackChanges } from './packing/unpack';

/** Makes, reads and checks deltas. */
export class DeltaEncoder {
  /** A delta of all changes, which must be of the shard. Arrays of numbers become Float32Arrays.
   *  @throws ERR_EMPTY_DELTA for no changes; ERR_ARGUMENT, ERR_VECTOR and ERR_DIMENSIONS name the change. */
  static encode(shardId: string, changes: VectorChange[], compression: Compression = 'msgpack'): VectorDelta {
    const shard = checkId('shardId', shardId);
    const given = checkArray('changes', changes, 'changes') as VectorChange[];
    const codec = checkCompression(compression);
    if (given.length === 0) {
      throw new VectrError('ERR_EMPTY_DELTA', 'changes is empty: make a delta when something has changed');
    }
    return withChanges(shard, given, inArray('changes'), (core, { numbers, text, vectors }, packed) => {
      const { columns, checksum } = core.packDelta(numbers, text, vectors);
      const copied = withComponents(given);
      known.set(copied, { ...packed, made: { text, columns, checksum } });
      return {
        shardId: shard,
        fromChangeId: numbers[Header.from]!,
        toChangeId: numbers[Header.to]!,
        changes: copied,
        checksum,
        compression: codec,
      };
    });
  }

  /** The changes, in a new array.
   *  @throws ERR_CHECKSUM when any field was altered. */
  static decode(delta: VectorDelta): VectorChange[] {
    const { checksum } = checkDelta(delta);
    return withContent(delta, (core, { numbers, text, vectors }, { made }) => {
      const actual = made && core.packedChecksum
        ? core.packedChecksum(made.columns, vectors)
        : core.packDelta(numbers, text, vectors).checksum;
      if (actual !== checksum) throw checksumError(`its content has ${actual}, not ${checksum.slice(0, 40)}`);
      return delta.changes.slice();
    });
  }

  /** The bytes of a delta.
   *  @throws ERR_CHECKSUM when any field was altered; ERR_CODEC if the compression cannot be written here. */
  static serialize(delta: VectorDelta): Uint8Array {
    const { checksum, compression } = checkDelta(delta);
    const codec = COMPRESSIONS.indexOf(compression);
    return withContent(
      delta,
      (core, { numbers, text, vectors }, packed) => {
        if (!packed.made || !core.sealDelta) return core.encodeDelta(numbers, text, vectors, codec, checksum);
        const room = new Uint8Array(vectors.buffer);
        return core.sealDelta(room, packed.made.columns, newest(packed), codec, checksum) ?? room;
      },
      true,
    );
  }

  /** The delta in bytes that `serialize` made.
   *  @throws ERR_CHECKSUM and ERR_PROTOCOL for damaged bytes, ERR_CODEC if the compression cannot be read here. */
  static deserialize(bytes: Uint8Array): VectorDelta {
    return deltaOf(decodedDelta(bytes));
  }

  /** Splits the changes, in order, into arrays of at most `batchSize`. */
  static batch(changes: VectorChange[], batchSize: number): VectorChange[][] {
    const given = checkArray('changes', changes, 'changes') as VectorChange[];
    const size = checkInteger('batchSize', batchSize, 1);
    const batches: VectorChange[][] = [];
    for (let start = 0; start < given.length; start += size) batches.push(given.slice(start, start + size));
    return batches;
  }

  /** Drops changes that another of them supersedes; the rest keep their order. All are of one shard. */
  static optimize(changes: VectorChange[]): VectorChange[] {
    const given = checkArray('changes', changes, 'changes') as VectorChange[];
    if (given.length === 0) return [];
    const newest = withHistories(sharedShard(given), given, inArray('changes'), (core, { numbers, text }) =>
      core.newestChanges(numbers, text),
    );
    return Array.from(newest, (index) => given[index]!);
  }
}

/** What bytes hold, in the core's form. @internal */
export function decodedDelta(bytes: unknown): DecodedDelta {
  const checked = checkBytes('bytes', bytes);
  return nativeNow(() => backend().decodeDelta(checked));
}

/** From the core's form. @internal */
export function deltaOf(decoded: DecodedDelta, lines: Lines = linesOf(decoded)): VectorDelta {
  const changes = unpackChanges(decoded, lines);
  const { shardId, vectorIds, keys, metadata } = lines;
  const { numbers, text, columns } = decoded;
  // Packed again, changes have the newest one's timestamp.
  numbers[Header.timestamp] = 0;
  const behind = metadata.reduce((length, line) => length + 1 + line.length, 0);
  const head = text.slice(0, text.length - behind);
  const made = { text, columns, checksum: decoded.checksum };
  known.set(changes, { numbers, head, shardId, vectorIds, keys, made, notes: snapshotMetadata(changes), metadata });
  return {
    shardId,
    fromChangeId: numbers[Header.from]!,
    toChangeId: numbers[Header.to]!,
    changes,
    checksum: decoded.checksum,
    compression: COMPRESSIONS[decoded.compression]!,
  };
}

/** A compression. @internal */
export function checkCompression(value: unknown): Compression {
  return checkWord('compression', value, COMPRESSIONS);
}

// Fields that the checksum covers are not checked here.
function checkDelta(value: unknown): VectorDelta {
  const { changes, checksum, compression } = checkObject('delta', value, 'a delta');
  checkArray('delta.changes', changes, 'changes');
  if (typeof checksum !== 'string') throw wrongType('delta.checksum', 'the string that encode returned', checksum);
  checkWord('delta.compression', compression, COMPRESSIONS);
  return value as VectorDelta;
}

// The checksum covers the metadata's original text. JavaScript's own text of it is usually the same.
function withContent<T>(delta: VectorDelta, use: Use<T>, seals = false): T {
  try {
    return withCovered(delta, use, seals);
  } catch (error) {
    const read = known.get(delta.changes)?.metadata;
    if (read === undefined || codeOf(error) !== 'ERR_CHECKSUM') throw error;
    let next = 0;
    const written = delta.changes.map((change) => (change?.metadata === undefined ? undefined : read[next++]));
    return withCovered(delta, use, seals, written);
  }
}

// An invalid field was altered, too.
function withCovered<T>(
  { shardId, fromChangeId, toChangeId, changes, checksum }: VectorDelta,
  use: Use<T>,
  seals: boolean,
  written?: Written,
): T {
  try {
    checkId('delta.shardId', shardId);
    const from = checkInteger('delta.fromChangeId', fromChangeId);
    const to = checkInteger('delta.toChangeId', toChangeId);
    const given = { span: { from, to }, known: known.get(changes), checksum, seals, written };
    return withChanges(shardId, changes, inArray('delta.changes'), use, given);
  } catch (error) {
    if (!COVERED.has(codeOf(error) ?? '')) throw error;
    throw checksumError((error as Error).message, error);
  }
}

type Use<T> = (core: Backend, flat: FlatChanges, packed: Packed) => T;

function checksumError(how: string, cause?: unknown): VectrError {
  const wayOut = 'encode the changes again, or get the delta from its source again';
  return new VectrError('ERR_CHECKSUM', `delta checksum mismatch: ${how}: ${wayOut}`, { cause });
}

// Deltas that were made here, by their changes; with the original metadata texts if they came as bytes.
const known = new WeakMap<VectorChange[], Packed & { metadata?: string[] }>();
const COVERED = new Set(['ERR_ARGUMENT', 'ERR_VECTOR', 'ERR_DIMENSIONS']);
