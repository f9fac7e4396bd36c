// Changes with the same dot: usually one change, received from both sides.
import { checkMetadata } from '../check/metadata';
import type { VectorChange } from './change';

/** Whether the changes of each pair have the same content, bit by bit. `pairs`: two indices each. */
export function areDuplicateDotsEqual(changes: readonly VectorChange[], pairs: Uint32Array): boolean {
  for (let at = 0; at < pairs.length; at += 2) {
    if (!isSameContent(changes[pairs[at]!]!, changes[pairs[at + 1]!]!)) return false;
  }
  return true;
}

function isSameContent(one: VectorChange, other: VectorChange): boolean {
  return (
    one === other ||
    (one.timestamp === other.timestamp &&
      one.operation === other.operation &&
      isSameVector(one.vector, other.vector) &&
      isSameMetadata(one.metadata, other.metadata))
  );
}

function isSameVector(one: VectorChange['vector'], other: VectorChange['vector']): boolean {
  if (one === other || one === undefined || other === undefined) return one === other;
  if (one.length !== other.length) return false;
  // As whole numbers: 0 and -0 are different bits.
  const [ours, theirs] = [bitsOf(one), bitsOf(other)];
  for (let index = 0; index < ours.length; index++) {
    if (ours[index] !== theirs[index]) return false;
  }
  return true;
}

function bitsOf(vector: Float32Array | readonly number[]): Int32Array {
  const { buffer, byteOffset, length } = vector instanceof Float32Array ? vector : Float32Array.from(vector);
  return new Int32Array(buffer, byteOffset, length);
}

function isSameMetadata(one: unknown, other: unknown): boolean {
  return one === other || checkMetadata('metadata', one) === checkMetadata('metadata', other);
}
