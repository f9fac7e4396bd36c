// Native code and the WASM module make the same bytes and the same views of the same random changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as native from '@agentic-flow/sqlite-vector/delta';
import * as wasm from '../../dist/delta.browser.mjs';
import { exactly, hex } from '../spec/fixtures.mjs';
import { draws, randomChanges } from '../spec/random.mjs';

const STRATEGIES = ['last-write-wins', 'first-write-wins', 'merge', 'manual'];
const seed = Date.now() % 1e9;

/** What an entry makes of changes: texts that show every bit. */
function made({ ConflictResolver, DeltaEncoder, resolveDeltas }, local, remote) {
  const bytesOf = (compression) =>
    [local, remote].map((changes) => DeltaEncoder.serialize(DeltaEncoder.encode('s', changes, compression)));
  const [bytes, packed] = [bytesOf('none'), bytesOf('lz4')];
  const views = STRATEGIES.map((strategy) => {
    const { resolved, conflicts } = new ConflictResolver(strategy).resolveAll(local, remote);
    return [resolved.map(exactly), conflicts.map(({ id, versions }) => [id, versions.map(exactly)])];
  });
  const resolved = STRATEGIES.flatMap((strategy) =>
    [bytes, packed].map(([one, two]) => hex(resolveDeltas(one, two, strategy))),
  );
  return { bytes: bytes.map(hex), views, resolved };
}

test(`equal bytes and views of random changes (seed ${seed})`, () => {
  const draw = draws(seed);
  for (let round = 0; round < 100; round++) {
    const all = randomChanges(draw, 2 + draw.below(30));
    const cut = 1 + draw.below(all.length - 1);
    const sides = [all.slice(0, cut), all.slice(cut)];
    assert.deepEqual(made(wasm, ...sides), made(native, ...sides), `round ${round}`);
  }
});

test('each reads what the other has packed, and that may be other bytes', () => {
  const changes = randomChanges(draws(seed), 300);
  const packed = [native, wasm].map(({ DeltaEncoder }) =>
    DeltaEncoder.serialize(DeltaEncoder.encode('s', changes, 'lz4')),
  );
  for (const { DeltaEncoder } of [native, wasm]) {
    for (const bytes of packed) {
      assert.deepEqual(DeltaEncoder.deserialize(bytes).changes.map(exactly), changes.map(exactly));
    }
  }
});
