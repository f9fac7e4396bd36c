// What may not come in: a typed error that names the change and the field, and nothing done.
import { A, B } from './fixtures.mjs';

const cycle = {};
cycle.self = cycle;

// A change with this in it, the code, and what the message must say.
const BAD_FIELDS = [
  [{ id: -1 }, 'ERR_ARGUMENT', /\.id is -1/],
  [{ id: 1.5 }, 'ERR_ARGUMENT', /\.id/],
  [{ id: '1' }, 'ERR_ARGUMENT', /\.id is '1'/],
  [{ id: 2 ** 53 }, 'ERR_ARGUMENT', /\.id/],
  [{ operation: 'upsert' }, 'ERR_ARGUMENT', /\.operation is 'upsert'/],
  [{ operation: 'Insert' }, 'ERR_ARGUMENT', /did you mean 'insert'/],
  [{ operation: undefined }, 'ERR_ARGUMENT', /\.operation/],
  [{ operation: 'delete' }, 'ERR_ARGUMENT', /\.vector.*delete/],
  [{ shardId: '' }, 'ERR_ARGUMENT', /\.shardId/],
  [{ shardId: 5 }, 'ERR_ARGUMENT', /\.shardId is 5/],
  [{ vectorId: '' }, 'ERR_ARGUMENT', /\.vectorId/],
  [{ vectorId: 'x'.repeat(1025) }, 'ERR_ARGUMENT', /\.vectorId/],
  [{ vectorId: 'é'.repeat(513) }, 'ERR_ARGUMENT', /\.vectorId/],
  [{ vectorId: 'a\nb' }, 'ERR_ARGUMENT', /\.vectorId/],
  [{ vectorId: 'half \ud800' }, 'ERR_ARGUMENT', /\.vectorId/],
  [{ vectorId: 5 }, 'ERR_ARGUMENT', /\.vectorId is 5/],
  [{ operation: 'insert', vector: undefined }, 'ERR_ARGUMENT', /\.vector is undefined/],
  [{ vector: null }, 'ERR_ARGUMENT', /\.vector is null/],
  [{ vector: 'text' }, 'ERR_ARGUMENT', /\.vector/],
  [{ vector: Float64Array.of(1) }, 'ERR_ARGUMENT', /\.vector/],
  [{ vector: Object.create(Float32Array.prototype) }, 'ERR_ARGUMENT', /\.vector/],
  [{ vector: [1, '2'] }, 'ERR_ARGUMENT', /\.vector\[1\] is '2'/],
  [{ vector: Float32Array.of(1, NaN) }, 'ERR_VECTOR', /\.vector\[1\] is NaN/],
  [{ vector: Float32Array.of(-Infinity) }, 'ERR_VECTOR', /\.vector\[0\] is -Infinity/],
  [{ vector: [1, 2, 1e39] }, 'ERR_VECTOR', /\.vector\[2\] is 1e\+39/],
  [{ vector: new Float32Array(0) }, 'ERR_DIMENSIONS', /\.vector/],
  [{ vector: [] }, 'ERR_DIMENSIONS', /\.vector/],
  [{ vector: new Float32Array(65_537) }, 'ERR_DIMENSIONS', /\.vector/],
  [{ metadata: null }, 'ERR_ARGUMENT', /\.metadata is null/],
  [{ metadata: [1] }, 'ERR_ARGUMENT', /\.metadata/],
  [{ metadata: 'text' }, 'ERR_ARGUMENT', /\.metadata/],
  [{ metadata: new Map() }, 'ERR_ARGUMENT', /\.metadata/],
  [{ metadata: { a: NaN } }, 'ERR_ARGUMENT', /\.metadata\.a is NaN/],
  [{ metadata: { a: [1, 2n] } }, 'ERR_ARGUMENT', /\.metadata\.a\[1\] is 2n/],
  [{ metadata: { a: { b: new Set() } } }, 'ERR_ARGUMENT', /\.a\.b is an object \(Set/],
  [{ metadata: cycle }, 'ERR_ARGUMENT', /\.metadata/],
  [{ metadata: { toJSON: () => 'text' } }, 'ERR_ARGUMENT', /\.metadata/],
  [{ metadata: { a: 'x'.repeat(256 * 1024) } }, 'ERR_ARGUMENT', /262144/],
  [{ timestamp: -1 }, 'ERR_ARGUMENT', /\.timestamp is -1/],
  [{ timestamp: 0.5 }, 'ERR_ARGUMENT', /\.timestamp/],
  [{ timestamp: NaN }, 'ERR_ARGUMENT', /\.timestamp/],
  [{ timestamp: 2 ** 53 }, 'ERR_ARGUMENT', /\.timestamp/],
  [{ timestamp: new Date(5) }, 'ERR_ARGUMENT', /\.timestamp/],
  [{ sourceNode: '' }, 'ERR_ARGUMENT', /\.sourceNode/],
  [{ sourceNode: undefined }, 'ERR_ARGUMENT', /\.sourceNode/],
  [{ versionVector: { a: 1 } }, 'ERR_ARGUMENT', /\.versionVector/],
  [{ versionVector: undefined }, 'ERR_ARGUMENT', /\.versionVector/],
  [{ versionVector: Object.create(Map.prototype) }, 'ERR_ARGUMENT', /\.versionVector/],
  [{ versionVector: new Map([[A, -1]]) }, 'ERR_ARGUMENT', /\.versionVector/],
  [{ versionVector: new Map([[A, '1']]) }, 'ERR_ARGUMENT', /\.versionVector/],
  [{ versionVector: new Map([[5, 1]]) }, 'ERR_ARGUMENT', /\.versionVector is 5/],
  [{ versionVector: new Map([['', 1]]) }, 'ERR_ARGUMENT', /\.versionVector/],
  [{ dot: null }, 'ERR_ARGUMENT', /\.dot/],
  [{ dot: { site: A } }, 'ERR_ARGUMENT', /\.dot\.seq/],
  [{ dot: { site: A, seq: 0 } }, 'ERR_ARGUMENT', /\.dot\.seq is 0/],
  [{ dot: { site: '', seq: 1 } }, 'ERR_ARGUMENT', /\.dot\.site/],
];

// The decision needs neither components nor metadata: it does not read them.
const isContent = (fields, code) => code !== 'ERR_ARGUMENT' || 'metadata' in fields || Array.isArray(fields.vector);

export function badChanges(test, { api: { ConflictResolver, DeltaEncoder }, assert, change, fails }) {
  for (const [fields, code, message] of BAD_FIELDS) {
    test(`${Object.keys(fields)}: ${message.source}`, () => {
      const bad = change(A, 2, 2, fields);
      const named = new RegExp(`changes\\[1\\].*${message.source}|${message.source}`);
      const error = fails(code, () => DeltaEncoder.encode('s', [change(A, 1, 1), bad]), named);
      assert.ok(error.message.includes('changes[1]'), error.message);
      if (isContent(fields, code)) return;
      const other = change(B, 1, 1);
      for (const work of [
        () => new ConflictResolver().resolveAll([other], [bad]),
        () => new ConflictResolver('merge').resolve(other, bad),
      ]) {
        assert.ok(fails(code, work, message).message.includes('remote'));
      }
    });
  }
  test('what is no change is refused by its place', () => {
    for (const bad of [undefined, null, 5, 'x', [], new Map(), {}]) {
      fails('ERR_ARGUMENT', () => DeltaEncoder.encode('s', [bad]), /changes\[0\]/);
      fails('ERR_ARGUMENT', () => new ConflictResolver().resolveAll([bad], []), /local\[0\]/);
      fails('ERR_ARGUMENT', () => new ConflictResolver().resolve(change(A, 1, 1), bad), /remote/);
    }
  });
  test('a merge reads the contents, and names what it cannot use', () => {
    const bad = change(A, 1, 1, { vector: Float32Array.of(1, NaN) });
    const merge = () => new ConflictResolver('merge').resolveAll([change(B, 1, 2)], [bad]);
    fails('ERR_VECTOR', merge, /remote\[0\]\.vector\[1\]/);
  });
}

export function badArguments(test, { api, assert, change, fails }) {
  const { ConflictResolver, DeltaEncoder, VectrError } = api;
  test('a wrong kind is a TypeError, a wrong value a VectrError; both have a code and a stack', () => {
    const kind = fails('ERR_ARGUMENT', () => DeltaEncoder.encode(5, []));
    assert.ok(kind instanceof TypeError);
    const value = fails('ERR_ARGUMENT', () => DeltaEncoder.encode('', []));
    assert.ok(value instanceof VectrError);
    // This file, by the name that a bundler may have given it.
    const [here] = /[^/\s(]+\.m?js/.exec(new Error('here').stack);
    for (const { stack } of [kind, value]) assert.ok(stack.includes(here), stack);
  });
  test('arrays are wanted, not what only looks like one', () => {
    for (const bad of [undefined, null, 'text', {}, { length: 1 }, new Set()]) {
      for (const work of [
        () => DeltaEncoder.encode('s', bad),
        () => DeltaEncoder.batch(bad, 1),
        () => DeltaEncoder.optimize(bad),
        () => new ConflictResolver().resolveAll(bad, []),
        () => new ConflictResolver().resolveAll([], bad),
      ]) {
        assert.ok(fails('ERR_ARGUMENT', work) instanceof TypeError);
      }
    }
  });
  test('a word that is not known is refused with the one that was meant', () => {
    fails('ERR_ARGUMENT', () => DeltaEncoder.encode('s', [change(A, 1, 1)], 'lz'), /did you mean 'lz4'/);
    fails('ERR_ARGUMENT', () => DeltaEncoder.encode('s', [change(A, 1, 1)], 'brotli'), /none, msgpack, lz4, zstd/);
    fails('ERR_ARGUMENT', () => new ConflictResolver('last-write-win'), /did you mean 'last-write-wins'/);
    fails('ERR_ARGUMENT', () => new ConflictResolver().setStrategy(undefined));
    assert.ok(fails('ERR_ARGUMENT', () => new ConflictResolver(5)) instanceof TypeError);
  });
  test('initialize may be awaited at any time', async () => {
    await api.initialize();
    await api.initialize();
  });
}
