// The 6,000 real sentence embeddings of examples/data, and any number of phrase pairs made from them.
import { readFileSync } from 'node:fs';

const DIMENSIONS = 384;
const folder = new URL('../data/', import.meta.url);
const bytes = readFileSync(new URL('phrases-6k-384.f32', folder));
const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const phrases = readFileSync(new URL('phrases-6k.txt', folder), 'utf8').trimEnd().split('\n');

/** `count` embeddings from row `start` on, as insertBatch takes them. */
export function embeddings(start, count) {
  return Array.from({ length: count }, (_, index) => {
    const row = start + index;
    return { id: phrases[row], vector: vectorOf(row), metadata: { phrase: phrases[row] } };
  });
}

/** The normalised mean of two real embeddings each: what a sentence of both phrases would roughly embed to. */
export function pairs(start, count) {
  return Array.from({ length: count }, (_, index) => {
    const [first, second] = pairOf(start + index);
    const mean = vectorOf(first).map((component, at) => component + numbers[second * DIMENSIONS + at]);
    return {
      id: `${phrases[first]} + ${phrases[second]} #${start + index}`,
      vector: normalised(mean),
      metadata: { phrases: [phrases[first], phrases[second]] },
    };
  });
}

function pairOf(index) {
  const first = index % phrases.length;
  return [first, (first + 1 + Math.floor(index / phrases.length) * 7) % phrases.length];
}

function vectorOf(row) {
  return numbers.slice(row * DIMENSIONS, (row + 1) * DIMENSIONS);
}

function normalised(vector) {
  const length = Math.hypot(...vector);
  return vector.map((component) => component / length);
}
