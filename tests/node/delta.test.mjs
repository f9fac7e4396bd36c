// The delta and conflict logic on compiled code: the spec that the WASM module passes too, through both module systems.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import * as everything from '@agentic-flow/sqlite-vector';
import * as imported from '@agentic-flow/sqlite-vector/delta';
import { spec } from '../spec/delta.spec.mjs';

const required = createRequire(import.meta.url)('@agentic-flow/sqlite-vector/delta');
const vectors = JSON.parse(readFileSync(new URL('../spec/vectors.json', import.meta.url)));

describe('import', () => spec(imported, { test, assert, vectors }));
describe('require', () => spec(required, { test, assert, vectors }));

test('both ways give the same objects, and so does the main entry', () => {
  for (const [name, value] of Object.entries(required)) {
    assert.equal(imported[name], value, name);
    assert.equal(everything[name], value, name);
  }
  assert.ok(Object.keys(required).length > 8);
});

test('zstd is written and read', () => {
  const { DeltaEncoder, decodeColumns } = imported;
  for (const { bytes } of vectors.deltas) {
    const { changes, shardId, checksum } = DeltaEncoder.deserialize(Buffer.from(bytes.none, 'hex'));
    const read = decodeColumns(Buffer.from(bytes.zstd, 'hex'));
    assert.equal(read.vectorIds.length, changes.length);
    if (changes.length === 0) continue;
    const delta = DeltaEncoder.encode(shardId, changes, 'zstd');
    const back = DeltaEncoder.deserialize(DeltaEncoder.serialize(delta));
    assert.deepEqual([back.checksum, back.compression], [delta.checksum, 'zstd']);
    assert.ok(typeof checksum === 'string');
  }
});

test('arrays and Maps of another realm are taken', async () => {
  const { runInNewContext } = await import('node:vm');
  const { vector, versionVector, metadata } = runInNewContext(
    '({ vector: Float32Array.of(1, 2), versionVector: new Map([["a", 1]]), metadata: { a: [1] } })',
  );
  const change = { id: 1, operation: 'update', shardId: 's', vectorId: 'v', timestamp: 1, sourceNode: 'a' };
  const foreign = imported.DeltaEncoder.encode('s', [{ ...change, vector, versionVector, metadata }]);
  const own = { vector: [1, 2], versionVector: new Map([['a', 1]]), metadata: { a: [1] } };
  assert.equal(foreign.checksum, imported.DeltaEncoder.encode('s', [{ ...change, ...own }]).checksum);
});

test('memory that threads share is read', () => {
  const { Delta, DeltaEncoder } = imported;
  const vector = new Float32Array(new SharedArrayBuffer(8));
  const change = { id: 1, operation: 'update', shardId: 's', vectorId: 'v', timestamp: 1, sourceNode: 'a' };
  const delta = DeltaEncoder.encode('s', [{ ...change, vector, versionVector: new Map([['a', 1]]) }]);
  const bytes = DeltaEncoder.serialize(delta);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  assert.equal(Delta.deserialize(shared).vectorCount, 1);
});
