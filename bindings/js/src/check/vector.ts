// Vectors in, and slices of them out.
import { VectrError, describe, kindOf, outOfRange, wrongType } from './error';

/** The maximum number of components of a vector. */
export const MAX_DIMENSIONS = 65_536;

/** Finite 32-bit components. ERR_VECTOR names the first other component; ERR_DIMENSIONS for an invalid length. */
export function checkVector(name: string, value: unknown): Float32Array {
  if (!isFloat32Array(value) && !Array.isArray(value)) {
    throw wrongType(name, 'a Float32Array or an array of numbers', value);
  }
  if (value.length === 0 || value.length > MAX_DIMENSIONS) {
    throw outOfRange(`the length of ${name}`, `1 to ${MAX_DIMENSIONS} components`, value.length, 'ERR_DIMENSIONS');
  }
  if (Array.isArray(value)) return fromNumbers(name, value);
  // Copy memory that another thread may change.
  const components = isShared(value.buffer) ? Float32Array.from(value) : value;
  // x - x is 0 unless x is NaN or infinite: one sum without branches tells whether all are finite.
  let probe = 0;
  for (let index = 0; index < components.length; index++) probe += components[index]! - components[index]!;
  if (probe === 0) return components;
  const index = components.findIndex((component) => !Number.isFinite(component));
  throw unusable(name, index, components[index]);
}

/** Whether a value is a genuine Float32Array, of any realm. */
export function isFloat32Array(value: unknown): value is Float32Array {
  return ArrayBuffer.isView(value) && (value instanceof Float32Array || arrayName(value) === 'Float32Array');
}

/** The vector at `index` of `count` that lie one after the other: a copy, so that its buffer holds nothing else. */
export function vectorAt(vectors: Float32Array, index: number, count: number): Float32Array {
  const length = vectors.length / count;
  return vectors.slice(index * length, (index + 1) * length);
}

/** The name of a typed array's class, such as `Uint8Array`; undefined for a DataView. */
export function arrayName(value: ArrayBufferView): string | undefined {
  return typedArrayTag.call(value) as string | undefined;
}

/** Whether another thread may change the memory. */
export function isShared(buffer: ArrayBufferLike): boolean {
  return kindOf(buffer) === 'SharedArrayBuffer';
}

function fromNumbers(name: string, value: unknown[]): Float32Array {
  const components = new Float32Array(value.length);
  for (let index = 0; index < value.length; index++) {
    const component = value[index];
    if (typeof component !== 'number') throw wrongType(`${name}[${index}]`, 'a number', component);
    components[index] = component;
    if (!Number.isFinite(components[index])) throw unusable(name, index, component);
  }
  return components;
}

function unusable(name: string, index: number, component: unknown): VectrError {
  return new VectrError(
    'ERR_VECTOR',
    `${name}[${index}] is ${describe(component)}: give numbers that are finite in 32 bits`,
  );
}

const typedArrayTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!
  .get!;
