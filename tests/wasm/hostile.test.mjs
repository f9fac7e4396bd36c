// Bytes that nobody should send, into every decoder of the WASM module: each answer is a value or an error with a code,
// never a trap, and the memory comes back. VECTR_SEED=number repeats a run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moduleBytes } from '../../dist/delta.module.mjs';
import { Delta, DeltaEncoder, decodeColumns, initialize, resolveDeltas } from '../../dist/delta.slim.mjs';

const INPUTS = 100_000;
const seed = Number(process.env.VECTR_SEED ?? Date.now() % 2 ** 32);
const random = randomFrom(seed);
const memory = await loadModule();

const DECODERS = {
  'DeltaEncoder.deserialize': (bytes) => DeltaEncoder.deserialize(bytes),
  'Delta.deserialize': (bytes) => Delta.deserialize(bytes),
  decodeColumns: (bytes) => decodeColumns(bytes),
  'resolveDeltas, local': (bytes) => resolveDeltas(bytes, samples[0]),
  'resolveDeltas, remote': (bytes) => resolveDeltas(samples[1], bytes, 'merge'),
};
const samples = ['none', 'msgpack', 'lz4'].flatMap((compression) => [1, 12].map((count) => sample(count, compression)));

test(`hostile bytes get an error with a code, and the memory comes back (seed ${seed})`, () => {
  const codes = new Map();
  const decoders = Object.entries(DECODERS);
  let level = 0;
  for (let round = 0; round < INPUTS; round++) {
    const [name, decode] = decoders[round % decoders.length];
    const bytes = hostile(samples[random(samples.length)]);
    const code = outcome(name, decode, bytes, round);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    // The first tenth shows every kind of input: what they needed is what all need.
    if (round === INPUTS / 10) level = memory.buffer.byteLength;
  }
  console.log(Object.fromEntries(codes), `${memory.buffer.byteLength} bytes of memory`);
  assert.equal(memory.buffer.byteLength, level, 'the memory grew with the number of inputs');
  for (const bytes of samples) assert.ok(decodeColumns(bytes).vectorIds.length > 0, 'the module still reads good bytes');
});

test('a length that lies allocates nothing', () => {
  const before = memory.buffer.byteLength;
  for (const bytes of samples) {
    for (let at = 0; at + 4 <= Math.min(bytes.length, 80); at++) {
      const lying = bytes.slice();
      lying.set([0xff, 0xff, 0xff, 0x7f], at);
      for (const [name, decode] of Object.entries(DECODERS)) outcome(name, decode, lying, at);
    }
  }
  assert.equal(memory.buffer.byteLength, before);
});

function outcome(name, decode, bytes, round) {
  try {
    decode(bytes);
    return 'accepted';
  } catch (error) {
    assert.ok(!(error instanceof WebAssembly.RuntimeError), `${name} trapped at input ${round}: ${shown(bytes)}`);
    assert.match(String(error.code), /^ERR_[A-Z_]+$/, `${name}, input ${round}: ${error.stack} for ${shown(bytes)}`);
    return error.code;
  }
}

function hostile(good) {
  const kind = random(5);
  if (kind === 0) return Uint8Array.from({ length: random(200) }, () => random(256));
  const bytes = good.slice();
  if (kind === 1) return bytes.subarray(0, random(bytes.length));
  if (kind === 2) return Uint8Array.of(...bytes.subarray(0, random(bytes.length)), ...bytes.subarray(random(bytes.length)));
  for (let count = 1 + random(kind === 3 ? 1 : 8); count > 0; count--) bytes[random(bytes.length)] ^= 1 << random(8);
  return bytes;
}

function sample(count, compression) {
  const changes = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    shardId: 'shard',
    operation: index % 5 === 4 ? 'delete' : 'insert',
    vectorId: `v${index}`,
    timestamp: 1_700_000_000_000_000 + index,
    sourceNode: 'node-1',
    versionVector: new Map([['node-1', index + 1], ['node-2', 7]]),
    ...(index % 5 === 4 ? {} : { vector: Float32Array.from({ length: 16 }, (_, at) => Math.sin(index + at)), metadata: { index } }),
  }));
  return DeltaEncoder.serialize(DeltaEncoder.encode('shard', changes, compression));
}

async function loadModule() {
  let exports;
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...given) => {
    const made = await instantiate(...given);
    exports = (made.instance ?? made).exports;
    return made;
  };
  await initialize(moduleBytes());
  WebAssembly.instantiate = instantiate;
  return exports.memory;
}

function randomFrom(start) {
  let state = start >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function shown(bytes) {
  return Buffer.from(bytes).toString('hex');
}
