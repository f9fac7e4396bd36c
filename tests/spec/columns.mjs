// The bytes level: columns in, columns out, and deltas resolved as bytes.
import { A, B, C, exactly, hex } from './fixtures.mjs';

export function columns(test, { api, assert, sample, change, fails }) {
  const { ConflictResolver, DeltaEncoder, decodeColumns, encodeColumns, resolveDeltas } = api;
  const bytesOf = (changes, compression) => DeltaEncoder.serialize(DeltaEncoder.encode('s', changes, compression));

  test('columns hold what the changes say', () => {
    const columns = decodeColumns(bytesOf(sample()));
    assert.deepEqual([columns.shardId, columns.fromChangeId, columns.toChangeId], ['s', 1, 9]);
    assert.deepEqual(columns.vectorIds, sample().map(({ vectorId }) => vectorId));
    assert.deepEqual([...columns.changeIds], [1, 7, 9, 4]);
    assert.deepEqual([...columns.operations], [1, 2, 3, 2]);
    assert.deepEqual([...columns.timestamps], [1000, 1500, 2000, 1200]);
    const named = (ranks) => [...ranks].map((rank) => columns.keys[rank]);
    assert.deepEqual(named(columns.sources), ['ana', 'bob', 'ana', 'cyd']);
    assert.deepEqual(named(columns.dotSites), [A, B, A, undefined]);
    assert.deepEqual([...columns.dotSeqs], [1, 7, 2, 0]);
    assert.deepEqual([...columns.contextCounts], [1, 2, 1, 1]);
    assert.deepEqual(named(columns.contextSites), [A, A, B, A, 'cyd']);
    assert.deepEqual([...columns.contextSeqs], [1, 3, 7, 2, 4]);
    assert.deepEqual(columns.metadata, [JSON.stringify(sample()[0].metadata), undefined, undefined, undefined]);
    assert.deepEqual([...columns.dimensions], [2, 2, 0, 2]);
    assert.deepEqual([...columns.vectors].length, 6);
    assert.equal(columns.vectors.byteOffset, 0);
  });
  for (const compression of ['none', 'msgpack', 'lz4']) {
    test(`columns and objects make the same bytes with ${compression}`, () => {
      const bytes = bytesOf(sample(), compression);
      assert.equal(hex(encodeColumns(decodeColumns(bytes), compression)), hex(bytes));
    });
  }
  test('columns of no changes are lawful', () => {
    const empty = decodeColumns(new api.Delta().serialize());
    assert.deepEqual(empty.vectorIds, []);
    assert.equal(decodeColumns(encodeColumns(empty)).vectors.length, 0);
  });
  test('columns that do not fit together are refused', () => {
    const good = () => decodeColumns(bytesOf(sample()));
    for (const [alter, message] of [
      [(columns) => (columns.changeIds = columns.changeIds.slice(1)), /changeIds has 3 entries: give 4/],
      [(columns) => columns.metadata.pop(), /metadata has 3 entries/],
      [(columns) => (columns.contextSeqs = columns.contextSeqs.slice(1)), /contextSeqs/],
      [(columns) => (columns.timestamps = [...columns.timestamps]), /timestamps is an array.*Float64Array/],
      [(columns) => (columns.vectorIds[1] = 'a\nb'), /vectorIds\[1\]/],
      [(columns) => (columns.keys[0] = '\ud800'), /keys\[0\]/],
      [(columns) => (columns.metadata[0] = '{\n}'), /metadata/],
      [(columns) => (columns.metadata[0] = '[1]'), /./],
      [(columns) => (columns.operations[0] = 9), /./],
      [(columns) => (columns.timestamps[0] = -1), /./],
      [(columns) => (columns.sources[0] = 99), /./],
      [(columns) => (columns.contextCounts[0] = 2), /./],
      [(columns) => (columns.vectors = columns.vectors.slice(1)), /./],
      [(columns) => delete columns.dotSeqs, /dotSeqs/],
      [(columns) => (columns.shardId = ''), /shardId/],
      [(columns) => (columns.toChangeId = 1.5), /toChangeId/],
    ]) {
      const columns = good();
      alter(columns);
      fails('ERR_ARGUMENT', () => encodeColumns(columns), message);
    }
    const columns = good();
    columns.vectors[1] = NaN;
    fails('ERR_VECTOR', () => encodeColumns(columns));
    for (const bad of [undefined, null, 5, []]) fails('ERR_ARGUMENT', () => encodeColumns(bad));
  });
  test('resolveDeltas resolves as resolveAll does, and whichever side is called local', () => {
    const local = [change(A, 1, 10), change(B, 2, 30, { vectorId: 'w' }), change(A, 3, 5, { vectorId: 'x' })];
    const remote = [change(B, 1, 20), change(C, 2, 20, { vectorId: 'w', metadata: { a: [1] } }), local[2]];
    const [ours, theirs] = [bytesOf(local, 'lz4'), bytesOf(remote)];
    for (const strategy of ['last-write-wins', 'first-write-wins', 'merge']) {
      const bytes = resolveDeltas(ours, theirs, strategy);
      assert.equal(hex(resolveDeltas(theirs, ours, strategy)), hex(bytes));
      const { resolved } = new ConflictResolver(strategy).resolveAll(local, remote);
      assert.deepEqual(DeltaEncoder.deserialize(bytes).changes.map(exactly), resolved.map(exactly), strategy);
    }
    const standing = DeltaEncoder.deserialize(resolveDeltas(ours, theirs, 'manual')).changes;
    assert.deepEqual(standing.map(({ vectorId, timestamp }) => [vectorId, timestamp]), [
      ['v', 10], ['v', 20], ['w', 20], ['w', 30], ['x', 5],
    ]);
    assert.equal(hex(resolveDeltas(ours, theirs)), hex(resolveDeltas(ours, theirs, 'last-write-wins')));
  });
  test('deltas of two shards are refused, and so is damage', () => {
    const ours = bytesOf([change(A, 1, 10)]);
    const theirs = DeltaEncoder.serialize(DeltaEncoder.encode('t', [change(A, 1, 10, { shardId: 't' })]));
    fails('ERR_ARGUMENT', () => resolveDeltas(ours, theirs), /shard/);
    theirs[theirs.length - 1] ^= 1;
    fails('ERR_CHECKSUM', () => resolveDeltas(ours, theirs));
    fails('ERR_ARGUMENT', () => resolveDeltas(ours, ours, 'last-write-win'), /did you mean 'last-write-wins'/);
    fails('ERR_ARGUMENT', () => resolveDeltas(ours, 'text'), /remote/);
  });
}
