// Version vectors, operations, and deltas as one object.
import { A, B, exactly, hex } from './fixtures.mjs';

export function versionVectors(test, { api: { VersionVector }, assert, fails }) {
  const map = (entries) => new Map(Object.entries(entries));
  test('the four relations', () => {
    for (const [a, b, relation, compared] of [
      [{ a: 1 }, { a: 2 }, 'before', -1],
      [{ a: 2, b: 1 }, { a: 2 }, 'after', 1],
      [{ a: 2, b: 0 }, { a: 2 }, 'equal', 0],
      [{ a: 1 }, { b: 1 }, 'concurrent', 0],
      [{}, {}, 'equal', 0],
      [{}, { a: 1 }, 'before', -1],
    ]) {
      assert.equal(VersionVector.relation(map(a), map(b)), relation);
      assert.equal(VersionVector.compare(map(a), map(b)), compared);
    }
  });
  test('merging takes the greater numbers into a new Map', () => {
    const [a, b] = [map({ x: 1, y: 5 }), map({ y: 2, z: 3 })];
    const merged = VersionVector.merge(a, b);
    assert.deepEqual([...merged].sort(), [['x', 1], ['y', 5], ['z', 3]]);
    assert.deepEqual([...a], [['x', 1], ['y', 5]], 'left alone');
    assert.deepEqual([...VersionVector.merge(new Map(), new Map())], []);
  });
  test('counting up makes a new Map', () => {
    const given = map({ a: 4 });
    assert.deepEqual([...VersionVector.increment(given, 'a')], [['a', 5]]);
    assert.deepEqual([...VersionVector.increment(given, 'b')].sort(), [['a', 4], ['b', 1]]);
    assert.deepEqual([...VersionVector.increment(new Map(), 'b')], [['b', 1]]);
    assert.equal(given.get('a'), 4);
    fails('ERR_ARGUMENT', () => VersionVector.increment(map({ a: Number.MAX_SAFE_INTEGER }), 'a'));
  });
  test('what is no version vector is refused', () => {
    for (const bad of [undefined, null, {}, [], 'a', new Map([[1, 1]]), new Map([['a', '1']]), new Set(['a'])]) {
      for (const work of [() => VersionVector.compare(bad, map({})), () => VersionVector.merge(map({}), bad)]) {
        assert.ok(fails('ERR_ARGUMENT', work) instanceof TypeError);
      }
    }
    for (const seq of [-1, 0.5, NaN, 2 ** 53]) {
      fails('ERR_ARGUMENT', () => VersionVector.merge(map({ a: seq }), map({})));
    }
    for (const key of ['', 'a\nb', 'x'.repeat(301), '\ud800']) {
      fails('ERR_ARGUMENT', () => VersionVector.relation(new Map([[key, 1]]), map({})));
      fails('ERR_ARGUMENT', () => VersionVector.increment(map({}), key));
    }
  });
}

export function operations(test, { api: { resolveConflicts }, assert, fails }) {
  const put = (vectorId, timestamp, value, fields) =>
    ({ type: 'update', vectorId, vector: Float32Array.of(value), timestamp, ...fields });

  test('on one side the later one counts, and both sides agree whoever is local', () => {
    const [old, later, other] = [put('v', 1, 1), put('v', 2, 2), put('v', 3, 3)];
    for (const sides of [[[old, later], [other]], [[other], [later, old]]]) {
      assert.deepEqual(resolveConflicts(...sides), [other]);
      assert.deepEqual(resolveConflicts(...sides, 'first-write-wins'), [later]);
    }
  });
  test('equal timestamps never resolve as local', () => {
    const [one, two] = [put('v', 5, 1), put('v', 5, 2)];
    assert.ok(resolveConflicts([one], [two])[0] === resolveConflicts([two], [one])[0]);
  });
  test('merge-vectors merges', () => {
    const sides = [[put('v', 1, 1, { metadata: { a: 1 } })], [put('v', 2, 4, { metadata: { b: [2] } })]];
    const [merged] = resolveConflicts(...sides, 'merge-vectors');
    assert.deepEqual([...merged.vector], [2.5]);
    const expected = { type: 'update', vectorId: 'v', timestamp: 2, metadata: { a: 1, b: [2] } };
    assert.deepEqual(merged, { ...expected, vector: merged.vector });
    assert.deepEqual(resolveConflicts(...sides.toReversed(), 'merge-vectors'), [merged]);
  });
  test('manual throws where someone has to choose, and says how often', () => {
    const sides = ['a', 'b', 'c'].map((id) => [put(id, 1, 1), put(id, 2, 2)]);
    const [local, remote] = [0, 1].map((side) => sides.map((pair) => pair[side]));
    fails('ERR_MANUAL_RESOLUTION', () => resolveConflicts(local, remote, 'manual'), /\b3\b/);
    assert.deepEqual(resolveConflicts(local, local, 'manual'), local, 'equal ones are no conflict');
    assert.deepEqual(resolveConflicts(local, [], 'manual'), local);
    assert.deepEqual(resolveConflicts([], [], 'manual'), []);
  });
  test('deletes have no vector, and metadata is any JSON value', () => {
    const [gone, text] = [{ type: 'delete', vectorId: 'v', timestamp: 9 }, put('w', 1, 1, { metadata: 'text' })];
    assert.deepEqual(resolveConflicts([gone], [put('v', 1, 1), text]), [gone, text]);
  });
  test('an update without a vector leaves the vector as it is', () => {
    const named = { type: 'update', vectorId: 'v', timestamp: 9, metadata: { name: 'new' } };
    assert.deepEqual(resolveConflicts([named], [put('v', 1, 1)]), [named]);
    assert.deepEqual(resolveConflicts([put('v', 10, 1)], [named]), [put('v', 10, 1)]);
    assert.deepEqual(resolveConflicts([named], [], 'merge-vectors'), [named]);
    const merged = { ...named, vector: Float32Array.of(1, 1) };
    const [moved] = [put('v', 1, 1, { vector: Float32Array.of(1, 1), metadata: { name: 'old' } })];
    for (const sides of [[[named], [moved]], [[moved], [named]]]) {
      assert.deepEqual(resolveConflicts(...sides, 'merge-vectors'), [merged]);
    }
    const earlier = { ...named, timestamp: 8, metadata: { name: 'older', text: 'kept' } };
    const both = { ...named, metadata: { name: 'new', text: 'kept' } };
    assert.deepEqual(resolveConflicts([named], [earlier], 'merge-vectors'), [both]);
    fails('ERR_ARGUMENT', () => resolveConflicts([{ ...named, type: 'insert' }], []), /local\[0\]\.vector/);
  });
  test('what is no operation is refused by name', () => {
    for (const [bad, message] of [
      [undefined, /local\[0\]/],
      [put('v', -1, 1), /local\[0\]\.timestamp/],
      [put('', 1, 1), /local\[0\]\.vectorId/],
      [put('v', 1, NaN), /local\[0\]\.vector/],
      [put('v', 1, 1, { type: 'upsert' }), /local\[0\]\.type/],
      [put('v', 1, 1, { type: 'delete' }), /local\[0\]\.vector/],
      [put('v', 1, 1, { metadata: () => 1 }), /local\[0\]\.metadata/],
    ]) {
      const code = message.source.endsWith('.vector') && bad.type === 'update' ? 'ERR_VECTOR' : 'ERR_ARGUMENT';
      fails(code, () => resolveConflicts([bad], []), message);
    }
    fails('ERR_ARGUMENT', () => resolveConflicts([], [], 'merge-vector'), /did you mean 'merge-vectors'/);
    fails('ERR_ARGUMENT', () => resolveConflicts([]), /remote/);
  });
}

export function wholes(test, { api: { Delta, DeltaEncoder }, assert, sample, change, fails }) {
  test('an empty delta', () => {
    const delta = new Delta();
    assert.deepEqual([delta.timestamp, delta.vectorCount, delta.operations, delta.conflicts], [0, 0, [], []]);
    assert.deepEqual(Delta.deserialize(delta.serialize()).operations, []);
  });
  test('a delta shows its changes, and its bytes are those of the encoder', () => {
    const encoded = DeltaEncoder.encode('s', [...sample(), change(B, 1, 1100)], 'lz4');
    const bytes = DeltaEncoder.serialize(encoded);
    for (const delta of [new Delta(encoded), Delta.deserialize(bytes)]) {
      assert.equal(hex(delta.serialize()), hex(bytes));
      assert.deepEqual([delta.shardId, delta.timestamp, delta.vectorCount], ['s', 2000, 4]);
      assert.deepEqual(delta.operations.map(({ type, timestamp }) => [type, timestamp]), [
        ['insert', 1000], ['update', 1500], ['delete', 2000], ['update', 1200], ['update', 1100],
      ]);
      assert.deepEqual(delta.operations[0].metadata, sample()[0].metadata);
      assert.deepEqual(Object.keys(delta.operations[2]).sort(), ['timestamp', 'type', 'vectorId']);
      assert.deepEqual(delta.conflicts, [
        { vectorId: 'v', localVersion: 1100, remoteVersion: 1000, resolution: 'local_wins' },
      ]);
      assert.deepEqual(delta.changes.map(exactly), encoded.changes.map(exactly), 'dots and histories are kept');
    }
  });
  test('the bytes are its own', () => {
    const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('s', sample()));
    const delta = Delta.deserialize(bytes);
    bytes.fill(0);
    delta.serialize().fill(0);
    assert.equal(Delta.deserialize(delta.serialize()).vectorCount, 4);
  });
  test('an altered delta is refused', () => {
    const encoded = DeltaEncoder.encode('s', sample());
    encoded.changes[0].timestamp++;
    fails('ERR_CHECKSUM', () => new Delta(encoded));
  });
}
