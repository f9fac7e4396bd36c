// Makes the page's two deltas out of examples/data: `node examples/browser/make-deltas.mjs`. The same files every time.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DeltaEncoder } from '@agentic-flow/sqlite-vector/delta';
import { plan } from './plan.mjs';
import { FILLING, STORY } from './story.mjs';

const ENTRIES = 600;
const DIMENSIONS = 384;
const SITES = { left: 'harbour@5c1e90a7d2b84f36', right: 'meadow@b07f3d6e18c942a5', third: 'island@27d4c8f1a9035be6' };
const START = Date.UTC(2026, 2, 14, 8) * 1000;
const WORKDAY = 9 * 3600 * 1e6;

/** The bytes of both deltas, by the names of their files. */
export function makeDeltas() {
  state = SEED;
  const writes = numbered(entries().flatMap(writesTo));
  return Object.fromEntries(
    ['left', 'right'].map((side) => {
      const carried = writes.filter(({ carriedBy }) => carriedBy.includes(side));
      const changes = carried.map((write, index) => ({ ...write.change, id: 2001 + index }));
      return [`${nameOf(side)}.vdlt`, DeltaEncoder.serialize(DeltaEncoder.encode('glossary', changes))];
    }),
  );
}

// The story, then phrases in alphabetical neighbourhood, until the shard is full.
function entries() {
  const told = new Set(STORY.flatMap(({ left, right, third }) => [left, right, third]));
  const pairs = neighbours().filter((pair) => !pair.some((phrase) => told.has(phrase)));
  const filling = pairs.slice(0, ENTRIES - STORY.length).map(([left, right], index) => {
    const as = FILLING[index % FILLING.length];
    const gap = Math.round((random() - 0.45) * 2e8) || 1;
    return { as, topic: left.split(' ')[0], left, right, gap: as === 'seen' ? Math.abs(gap) : gap };
  });
  return [...STORY, ...filling];
}

function writesTo(entry, index) {
  const vectorId = `entry-${String(index + 1).padStart(3, '0')}`;
  const moment = START + Math.round((0.15 + 0.7 * random()) * WORKDAY);
  // Before the two lost touch, one of them had made the entry, and both had it.
  const seen = new Map([[SITES[index % 2 === 0 ? 'left' : 'right'], index + 1]]);
  return plan(entry).map((write) => Object.assign(write, { vectorId, at: moment + write.later, seen }));
}

// Every node counts its own writes, in the order of time.
function numbered(writes) {
  const counts = { left: 700, right: 900, third: 80 };
  for (const write of writes.sort((one, other) => one.at - other.at)) {
    const dot = { site: SITES[write.by], seq: ++counts[write.by] };
    const versionVector = new Map(write.isNew ? [] : write.seen);
    for (const earlier of write.sees) versionVector.set(earlier.change.dot.site, earlier.change.dot.seq);
    versionVector.set(dot.site, dot.seq);
    write.change = {
      operation: write.phrase === undefined ? 'delete' : write.isNew ? 'insert' : 'update',
      shardId: 'glossary',
      vectorId: write.vectorId,
      timestamp: write.at,
      sourceNode: nameOf(write.by),
      versionVector,
      dot,
      ...(write.phrase && { vector: embedding(write.phrase), metadata: { text: write.phrase, ...write.keys } }),
    };
  }
  return writes;
}

function neighbours() {
  const pairs = [];
  for (let line = 0; line + 1 < phrases.length; line++) {
    const [one, other] = [phrases[line], phrases[line + 1]];
    if (!one.includes(' ') || one.split(' ')[0] !== other.split(' ')[0]) continue;
    pairs.push([one, other]);
    line++;
  }
  return pairs;
}

function embedding(phrase) {
  const line = lines.get(phrase);
  if (line === undefined) throw new Error(`examples/data has no phrase '${phrase}'`);
  const start = embeddings.byteOffset + line * DIMENSIONS * 4;
  return new Float32Array(embeddings.buffer.slice(start, start + DIMENSIONS * 4));
}

function nameOf(side) {
  return SITES[side].split('@')[0];
}

// The same numbers in every run: a linear congruential generator.
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const SEED = 1;
let state;
const data = (name) => readFileSync(new URL(`../data/${name}`, import.meta.url));
const phrases = data('phrases-6k.txt').toString().trimEnd().split('\n');
const embeddings = data('phrases-6k-384.f32');
const lines = new Map(phrases.map((phrase, line) => [phrase, line]));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, bytes] of Object.entries(makeDeltas())) {
    writeFileSync(new URL(name, import.meta.url), bytes);
    console.log(`${name}: ${bytes.length} bytes`);
  }
}
