// A delta as one object, with its bytes, changes and conflicts.
import { nativeNow } from '../check/error';
import { type DecodedDelta, Header, backend } from './backend/backend';
import type { SyncConflict, VectorChange, VectorDelta } from './change';
import { checkBytes } from './check';
import { DeltaEncoder, decodedDelta } from './encoder';
import type { Operation } from './operations';
import { linesOf, unpackChanges } from './packing/unpack';
import { ConflictResolver } from './resolver';

/** A vector with several concurrent versions in a delta. */
export interface Conflict {
  vectorId: string;
  /** The timestamp of the last-write-wins winner. */
  localVersion: number;
  /** The timestamp of the runner-up. */
  remoteVersion: number;
  resolution: 'local_wins' | 'remote_wins' | 'merge';
}

let fromBytes: (bytes: Uint8Array) => Delta;
let within: (delta: Delta) => Uint8Array;

/** Changes of a shard, stored as bytes that keep everything, including dots and version vectors. Properties are computed
 *  on first access. */
export class Delta {
  #bytes: Uint8Array;
  #decoded: DecodedDelta | undefined;
  #changes: VectorChange[] | undefined;
  #operations: Operation[] | undefined;
  #conflicts: Conflict[] | undefined;

  /** A delta with the same changes; an empty one by default.
   *  @throws ERR_CHECKSUM when any field of it was altered. */
  constructor(delta?: VectorDelta) {
    this.#bytes = delta === undefined ? emptyBytes() : DeltaEncoder.serialize(delta);
  }

  static {
    fromBytes = (bytes) => {
      const delta = new Delta();
      delta.#bytes = bytes;
      return delta;
    };
    within = (delta) => delta.#bytes;
  }

  /** The delta in bytes that `serialize` of this or of DeltaEncoder made. Errors as of `DeltaEncoder.deserialize`. */
  static deserialize(bytes: Uint8Array): Delta {
    const delta = new Delta();
    delta.#bytes = checkBytes('bytes', bytes).slice();
    delta.#decoded = decodedDelta(delta.#bytes);
    return delta;
  }

  /** The bytes; those given to `deserialize` are returned unchanged. */
  serialize(): Uint8Array {
    return this.#bytes.slice();
  }

  /** The shard that was changed. */
  get shardId(): string {
    return linesOf(this.#content()).shardId;
  }

  /** Microseconds since the Unix epoch. For a delta of a database, when it was computed: pass it to the next
   *  `computeDelta`. Otherwise that of the newest change; 0 if there is none. */
  get timestamp(): number {
    const { buffer, byteOffset } = this.#bytes;
    return Number(new DataView(buffer, byteOffset).getBigUint64(TIMESTAMP_AT, true));
  }

  /** The number of changed vectors. */
  get vectorCount(): number {
    return new Set(linesOf(this.#content()).vectorIds).size;
  }

  /** The changes in order, with dots and version vectors. */
  get changes(): VectorChange[] {
    return (this.#changes ??= unpackChanges(this.#content()));
  }

  /** One operation for each change, in order. */
  get operations(): Operation[] {
    return (this.#operations ??= this.changes.map(operationOf));
  }

  /** The vectors with several concurrent versions, sorted by id. */
  get conflicts(): Conflict[] {
    return (this.#conflicts ??= new ConflictResolver().resolveAll(this.changes, []).conflicts.map(conflictOf));
  }

  #content(): DecodedDelta {
    return (this.#decoded ??= decodedDelta(this.#bytes));
  }
}

/** A delta of bytes that the core has just made, without copying or checking them. @internal */
export function deltaOfBytes(bytes: Uint8Array): Delta {
  return fromBytes(bytes);
}

/** The bytes themselves, which nobody may change. @internal */
export function bytesWithin(delta: Delta): Uint8Array {
  return within(delta);
}

function operationOf({ operation, vectorId, vector, metadata, timestamp }: VectorChange): Operation {
  return {
    type: operation,
    vectorId,
    ...(vector && { vector }),
    ...(metadata && { metadata }),
    timestamp,
  };
}

function conflictOf({ vectorId, localChange, remoteChange }: SyncConflict): Conflict {
  return {
    vectorId,
    localVersion: localChange.timestamp,
    remoteVersion: remoteChange.timestamp,
    resolution: 'local_wins',
  };
}

function emptyBytes(): Uint8Array {
  const numbers = new Float64Array(Header.length);
  return nativeNow(() => backend().encodeDelta(numbers, EMPTY_SHARD, new Uint8Array(0), 0));
}

// Even a delta without changes is one of some shard.
const EMPTY_SHARD = 'default';
// Where the bytes hold it.
const TIMESTAMP_AT = 6;
