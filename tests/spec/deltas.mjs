// Deltas: what goes in comes out, and what was altered is refused.
import { A, B, C, exactly, hex } from './fixtures.mjs';

export function deltas(test, { api, assert, fails, sample, change }) {
  const { DeltaEncoder, decodeColumns, encodeColumns } = api;
  for (const compression of ['none', 'msgpack', 'lz4']) {
    test(`what was encoded with ${compression} comes back bit by bit`, () => {
      const delta = DeltaEncoder.encode('s', sample(), compression);
      const back = DeltaEncoder.deserialize(DeltaEncoder.serialize(delta));
      assert.equal(back.compression, compression);
      assert.equal(back.checksum, delta.checksum);
      assert.deepEqual([back.shardId, back.fromChangeId, back.toChangeId], ['s', 1, 9]);
      assert.deepEqual(DeltaEncoder.decode(back).map(exactly), sample().map(exactly));
    });
  }
  test('the default compression is msgpack, and the bytes are those of none but for its name', () => {
    const [one, other] = ['msgpack', 'none'].map((name) => DeltaEncoder.encode('s', sample(), name));
    assert.equal(DeltaEncoder.encode('s', sample()).compression, 'msgpack');
    assert.equal(one.checksum, other.checksum);
    assert.equal(DeltaEncoder.serialize(one).length, DeltaEncoder.serialize(other).length);
  });
  test('no changes are ERR_EMPTY_DELTA', () => {
    fails('ERR_EMPTY_DELTA', () => DeltaEncoder.encode('s', []));
  });
  test('arrays of numbers are taken for vectors, rounded to 32 bits', () => {
    const delta = DeltaEncoder.encode('s', [change(A, 1, 1, { vector: [0.1, 2] })]);
    assert.ok(delta.changes[0].vector instanceof Float32Array);
    const same = DeltaEncoder.encode('s', [change(A, 1, 1, { vector: Float32Array.of(0.1, 2) })]);
    assert.equal(delta.checksum, same.checksum);
    assert.deepEqual([...DeltaEncoder.decode(delta)[0].vector], [Math.fround(0.1), 2]);
  });
  test('vectors that are views of one block are the same content', () => {
    const block = Float32Array.of(9, 1, 2, 3, 4, 9);
    const views = [1, 3].map((at, index) => change(A, index + 1, 5, { vector: block.subarray(at, at + 2) }));
    const copies = views.map((view) => ({ ...view, vector: view.vector.slice() }));
    assert.equal(DeltaEncoder.encode('s', views).checksum, DeltaEncoder.encode('s', copies).checksum);
    assert.equal(
      DeltaEncoder.encode('s', views.toReversed()).checksum,
      DeltaEncoder.encode('s', copies.toReversed()).checksum,
    );
  });
  test('the order of a version vector is no content', () => {
    const [one, other] = [[[A, 1], [B, 2]], [[B, 2], [A, 1]]].map((entries) =>
      DeltaEncoder.encode('s', [change(A, 1, 5, { versionVector: new Map(entries) })]),
    );
    assert.equal(one.checksum, other.checksum);
    assert.equal(hex(DeltaEncoder.serialize(one)), hex(DeltaEncoder.serialize(other)));
  });
  test('the given changes are left alone, and the delta has an array of its own', () => {
    const given = sample();
    const delta = DeltaEncoder.encode('s', given);
    given.pop();
    assert.equal(delta.changes.length, 4);
    assert.ok(delta.changes[0] === given[0]);
    assert.ok(DeltaEncoder.decode(delta) !== delta.changes);
  });
  test('metadata that others write in another way is read, and its delta can be passed on', () => {
    const columns = decodeColumns(DeltaEncoder.serialize(DeltaEncoder.encode('s', [change(A, 1, 1, { metadata: {} })])));
    columns.metadata[0] = '{"b" : 2.50, "10": -0, "a": 1e400}';
    const bytes = encodeColumns(columns);
    const delta = DeltaEncoder.deserialize(bytes);
    assert.equal(DeltaEncoder.decode(delta)[0].metadata.b, 2.5);
    assert.equal(hex(DeltaEncoder.serialize({ ...delta })), hex(bytes));
    delta.changes[0].metadata.b = 3;
    fails('ERR_CHECKSUM', () => DeltaEncoder.decode(delta), /checksum mismatch/);
  });
  test('bytes are in memory of their own, whatever the length of what stands before the vectors', () => {
    for (let length = 1; length <= 8; length++) {
      const changes = [change(A, 1, 1, { vectorId: 'x'.repeat(length) }), change(B, 1, 1)];
      const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('s', changes));
      assert.ok(Object.getPrototypeOf(bytes) === Uint8Array.prototype);
      assert.deepEqual([bytes.byteOffset, bytes.buffer.byteLength], [0, bytes.byteLength]);
      assert.equal(hex(bytes), hex(encodeColumns(decodeColumns(bytes))));
    }
  });
  test('metadata in which objects meet, or a text says so, comes back', () => {
    const all = [{}, { a: [{}, {}] }, { a: '},{' }, { '},{': 1 }, { b: [{ a: 1 }, { '"},{"': '"},{"' }] }, {}];
    for (const metadata of [[], ...all.map((one) => [one]), ...all.map((one) => [{}, one, { a: 1 }]), all]) {
      const changes = metadata.map((one, index) => change(A, index + 1, 1, { metadata: one }));
      const delta = DeltaEncoder.encode('s', [...changes, change(B, 1, 1)]);
      const back = DeltaEncoder.decode(DeltaEncoder.deserialize(DeltaEncoder.serialize(delta)));
      assert.deepEqual(back.map((one) => one.metadata), [...metadata, undefined]);
    }
  });
  test('metadata of one set of keys is read as JSON.parse reads it, whatever its values and however it is written', () => {
    const values = ['0', '-0', '1.50', '-1e300', '1e400', '12345678901234567890', '""', '"a b"', '"a\\"b"', '"\\\\"',
      '"ä 🦊"', '"},{"', 'true', 'null', '[]', '[1,"}"]', '{}', '{"k":1}', ' 1 ', ' "x"', '" 1 "'];
    const texts = [
      ...values.flatMap((value) => [`{"k":${value},"text":"x"}`, `{"text":"x","k":${value}}`, `{"k":${value}}`]),
      '{}', ' {"k":1,"text":"x"}', '{"k":1,"text":"x"} ', '{"k" :1,"text":"x"}',
      '{"\\u006b":1,"text":"x"}', '{"k":1,"text":"x","more":1}', '{"__proto__":1,"text":"x"}', '{"1":1,"0":"x"}',
    ];
    const changes = [1, 2, 3].map((seq) => change(A, seq, seq, { metadata: {} }));
    const columns = decodeColumns(DeltaEncoder.serialize(DeltaEncoder.encode('s', changes)));
    const plain = '{"k":1,"text":"x"}';
    for (const text of texts) {
      for (const metadata of [[plain, text, plain], [text, plain, text], [text, text, text]]) {
        const read = DeltaEncoder.deserialize(encodeColumns({ ...columns, metadata }));
        assert.deepEqual(read.changes.map((one) => one.metadata), metadata.map((one) => JSON.parse(one)), text);
      }
    }
  });
  test('metadata that its readers would refuse, or take differently, is refused', () => {
    const columns = decodeColumns(DeltaEncoder.serialize(DeltaEncoder.encode('s', [change(A, 1, 1, { metadata: {} })])));
    const nested = (levels) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    for (const text of ['{"k":1,"text":"x","k":2}', '{"k":1,"\\u006b":2}', '{"a":[{"k":{},"k":[]}]}', nested(1001)]) {
      fails('ERR_ARGUMENT', () => encodeColumns({ ...columns, metadata: [text] }));
    }
    const lawful = DeltaEncoder.deserialize(encodeColumns({ ...columns, metadata: [nested(1000)] }));
    assert.equal(JSON.stringify(lawful.changes[0].metadata), nested(1000));
    fails('ERR_ARGUMENT', () => DeltaEncoder.encode('s', [change(A, 1, 1, { metadata: JSON.parse(nested(1001)) })]));
  });
  test('batches keep the order and are full but for the last', () => {
    const batches = DeltaEncoder.batch(sample(), 3);
    assert.deepEqual(batches.map((batch) => batch.length), [3, 1]);
    assert.deepEqual(batches.flat().map(exactly), sample().map(exactly));
    assert.deepEqual(DeltaEncoder.batch([], 3), []);
    for (const size of [0, -1, 1.5, NaN, Infinity]) fails('ERR_ARGUMENT', () => DeltaEncoder.batch([], size));
    for (const size of [undefined, '2', 2n]) {
      assert.ok(fails('ERR_ARGUMENT', () => DeltaEncoder.batch([], size)) instanceof TypeError);
    }
  });
}

export function damage(test, { api: { DeltaEncoder, Delta, decodeColumns }, assert, fails, sample }) {
  const alterations = {
    'an id': (delta) => (delta.changes[0].id += 1),
    'an operation': (delta) => (delta.changes[0].operation = 'update'),
    'an unknown operation': (delta) => (delta.changes[0].operation = 'upsert'),
    'a put made a delete': (delta) => (delta.changes[0].operation = 'delete'),
    'a shard id of a change': (delta) => (delta.changes[0].shardId = 't'),
    'a vector id': (delta) => (delta.changes[0].vectorId = 'w'),
    'a component': (delta) => (delta.changes[0].vector[1] += 1),
    'the sign of zero': (delta) => (delta.changes[1].vector[0] = 0),
    'NaN as component': (delta) => (delta.changes[0].vector[1] = NaN),
    'metadata': (delta) => (delta.changes[0].metadata.text = 'y'),
    'metadata added': (delta) => (delta.changes[1].metadata = {}),
    'metadata removed': (delta) => delete delta.changes[0].metadata,
    'a timestamp': (delta) => (delta.changes[0].timestamp += 1),
    'a negative timestamp': (delta) => (delta.changes[0].timestamp = -1),
    'a source': (delta) => (delta.changes[0].sourceNode = 'eve'),
    'a version vector': (delta) => delta.changes[0].versionVector.set(B, 1),
    'a dot': (delta) => (delta.changes[0].dot.seq += 1),
    'a dot removed': (delta) => delete delta.changes[1].dot,
    'an empty dot added': (delta) => (delta.changes.find(({ dot }) => dot === undefined).dot = { seq: 0 }),
    'an empty vector added': (delta) =>
      (delta.changes.find(({ operation }) => operation === 'delete').vector = new Float32Array(0)),
    'a version vector of another kind': (delta) => (delta.changes[0].versionVector = new Set()),
    'a change made null': (delta) => (delta.changes[1] = null),
    'the order': (delta) => delta.changes.reverse(),
    'a change removed': (delta) => delta.changes.pop(),
    'all changes removed': (delta) => (delta.changes = []),
    'the shard': (delta) => (delta.shardId = 't'),
    'the first id': (delta) => (delta.fromChangeId = 0),
    'the last id as text': (delta) => (delta.toChangeId = '9'),
    'the checksum': (delta) => (delta.checksum = '0'.repeat(32)),
  };
  // Without levels, metadata is compared by its values.
  const flat = () => sample().map((change, index) => ({ ...change, metadata: { text: `${index}`, rank: index } }));
  const alterationsOfFlat = {
    'a value': (metadata) => ({ ...metadata, rank: '1' }),
    'a value that JSON has not': (metadata) => ({ ...metadata, rank: NaN }),
    'a key': ({ text, rank }) => ({ text, place: rank }),
    'a key more': (metadata) => ({ ...metadata, more: null }),
    'a key less': ({ text }) => ({ text }),
    'all keys': () => ({}),
    'the order of keys': ({ text, rank }) => ({ rank, text }),
    'a level': (metadata) => ({ ...metadata, rank: {} }),
    'a list': () => [],
    'null': () => null,
    'another kind of object': (metadata) => Object.assign(new Date(0), metadata),
  };
  const cases = Object.entries(alterations).map(([what, alter]) => [what, alter, sample]);
  for (const [what, alter] of Object.entries(alterationsOfFlat)) {
    cases.push([`flat metadata, ${what}`, ({ changes: [, one] }) => (one.metadata = alter(one.metadata)), flat]);
  }
  for (const [what, alter, changes] of cases) {
    test(`altered: ${what}`, () => {
      const made = DeltaEncoder.encode('s', changes());
      const read = DeltaEncoder.deserialize(DeltaEncoder.serialize(made));
      // Of a copy of the changes nothing is known from before.
      const copied = { ...read, changes: changes() };
      for (const delta of [made, read, copied]) {
        DeltaEncoder.decode(delta);
        alter(delta);
        fails('ERR_CHECKSUM', () => DeltaEncoder.decode(delta));
        fails('ERR_CHECKSUM', () => DeltaEncoder.serialize(delta));
      }
    });
  }
  test('every flipped bit of the bytes is refused, and every shorter piece of them', () => {
    for (const compression of ['none', 'lz4']) {
      const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('s', sample(), compression));
      for (let at = 0; at < bytes.length; at++) {
        const altered = bytes.slice();
        altered[at] ^= 1 << at % 8;
        refused(() => DeltaEncoder.deserialize(altered));
        refused(() => DeltaEncoder.deserialize(bytes.subarray(0, at)));
      }
    }
  });
  test('bytes of the wrong kind are a TypeError', () => {
    const view = new DataView(new ArrayBuffer(9));
    for (const bad of [undefined, null, 'bytes', [1, 2], view.buffer, Float32Array.of(1), view]) {
      for (const read of [DeltaEncoder.deserialize, (bytes) => Delta.deserialize(bytes), decodeColumns]) {
        assert.ok(fails('ERR_ARGUMENT', () => read(bad)) instanceof TypeError);
      }
    }
  });
  test('a delta of the wrong kind is a TypeError', () => {
    const good = DeltaEncoder.encode('s', sample());
    const altered = [{ changes: {} }, { checksum: 5 }, { compression: 5 }].map((fields) => ({ ...good, ...fields }));
    const bad = [undefined, null, 5, [], {}, ...altered];
    for (const delta of bad) {
      for (const read of [DeltaEncoder.decode, DeltaEncoder.serialize]) {
        assert.ok(fails('ERR_ARGUMENT', () => read(delta)) instanceof TypeError);
      }
    }
    fails('ERR_ARGUMENT', () => DeltaEncoder.decode({ ...good, compression: 'lz5' }), /did you mean 'lz4'/);
  });
  function refused(read) {
    let code = 'none';
    try {
      read();
    } catch (error) {
      ({ code } = error);
    }
    assert.ok(['ERR_CHECKSUM', 'ERR_PROTOCOL', 'ERR_LIMIT', 'ERR_CODEC'].includes(code), `refused with ${code}`);
  }
}

export function histories(test, { api: { DeltaEncoder }, assert, change, fails }) {
  test('a change that a later one has superseded is dropped, and the rest stay in order', () => {
    const old = change(A, 1, 10);
    const other = change(C, 1, 5, { vectorId: 'w' });
    const later = change(B, 1, 3, { versionVector: new Map([[A, 1], [B, 1]]) });
    assert.deepEqual(DeltaEncoder.optimize([old, other, later]), [other, later]);
    assert.deepEqual(DeltaEncoder.optimize([later, other, old]), [later, other]);
  });
  test('concurrent changes both stay', () => {
    const both = [change(A, 1, 10), change(B, 1, 11)];
    assert.deepEqual(DeltaEncoder.optimize(both), both);
    assert.deepEqual(DeltaEncoder.optimize([]), []);
  });
  test('changes of two shards are refused', () => {
    const mixed = [change(A, 1, 1), change(A, 2, 2, { shardId: 't' })];
    fails('ERR_ARGUMENT', () => DeltaEncoder.optimize(mixed), /changes\[1\]\.shardId is 't'/);
    fails('ERR_ARGUMENT', () => DeltaEncoder.encode('s', mixed), /changes\[1\]\.shardId is 't'/);
  });
}
