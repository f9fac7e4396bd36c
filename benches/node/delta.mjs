// Deltas and conflicts against msgpackr, @msgpack/msgpack and a plain loop: on compiled code, and on the WASM module.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as msgpack from '@msgpack/msgpack';
import { Packr } from 'msgpackr';
import * as native from '@agentic-flow/sqlite-vector/delta';
import * as wasm from '../../dist/delta.browser.mjs';
import { measure, report } from './support/delta-speed.mjs';

const DIMENSIONS = 384;
const bytes = readFileSync(new URL('../../examples/data/phrases-6k-384.f32', import.meta.url));
const embeddings = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));

// Node has no hash as quick as XXH3: whichever of its own is the quickest here stands in for it.
const timed = ['sha1', 'sha256', 'md5', 'blake2b512'].map((name) => [timeOf(name), name]);
const [[, algorithm]] = timed.sort(([a], [b]) => a - b);
const hash = (data) => createHash(algorithm).update(data).digest();

console.log(`1,000 changes of ${DIMENSIONS} dimensions; milliseconds, medians; hashed with ${algorithm}.`);
for (const [name, api] of Object.entries({ native, wasm })) {
  console.log(`\n### ${name}\n\n${report(measure({ api, Packr, msgpack, embeddings, dimensions: DIMENSIONS, hash }))}`);
}

function timeOf(name) {
  const data = bytes.subarray(0, 1_500_000);
  const started = performance.now();
  for (let run = 0; run < 5; run++) createHash(name).update(data).digest();
  return performance.now() - started;
}
