// What the Node benchmarks share: the real embeddings, databases in a temporary folder, and medians.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VectrDB } from '@agentic-flow/sqlite-vector';

export const DIMENSIONS = 384;
export const SHARD = 'phrases';

/** Gives `work` a folder for its databases, and removes it afterwards. */
export async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'vectr-bench-'));
  // Proofs of identity belong to the databases: they go with them.
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function openDatabase(folder, name) {
  return VectrDB.open({ path: join(folder, `${name}.db`), shardId: SHARD });
}

/** Vectors `first` to `first + count` with the ids of the Rust benchmarks; beyond the 6,000 real ones they repeat. */
export function items(first, count) {
  const real = embeddings();
  const vectors = real.length / DIMENSIONS;
  return Array.from({ length: count }, (_, offset) => {
    const index = first + offset;
    const start = (index % vectors) * DIMENSIONS;
    return { id: `phrase-${String(index).padStart(8, '0')}`, vector: real.subarray(start, start + DIMENSIONS) };
  });
}

/** Milliseconds that `work` takes, and what it resolves to. */
export async function timed(work) {
  const started = performance.now();
  const value = await work();
  return { took: performance.now() - started, value };
}

/** The middle one, as text with two decimals. */
export function median(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)].toFixed(2);
}

/** A row of a Markdown table. */
export function row(...cells) {
  console.log(`| ${cells.join(' | ')} |`);
}

/** Fails unless `condition` holds: a benchmark that did not do its work has no figures. */
export function ensure(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

let loaded;

function embeddings() {
  if (!loaded) {
    const bytes = readFileSync(new URL('../../../examples/data/phrases-6k-384.f32', import.meta.url));
    loaded = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / Float32Array.BYTES_PER_ELEMENT);
  }
  return loaded;
}
