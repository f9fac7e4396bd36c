// The examples that the Rust code wrote: bytes equal, views equal bit by bit, codes equal.
import { hex, unhex } from './fixtures.mjs';

// The columns of the flat form, in its order.
const COLUMNS = {
  changeIds: Float64Array,
  operations: Uint8Array,
  timestamps: Float64Array,
  sources: Int32Array,
  dotSites: Int32Array,
  dotSeqs: Float64Array,
  contextCounts: Uint32Array,
  dimensions: Uint32Array,
};

/** The flat form as columns. */
function columnsOf({ numbers, text, vectors }) {
  const [count, keyCount, entries, fromChangeId, toChangeId] = numbers;
  const lines = text.split('\n');
  const column = (index) => numbers.slice(6 + index * count, 6 + (index + 1) * count);
  const marks = column(8);
  const texts = lines.slice(1 + count + keyCount);
  const sites = 6 + 9 * count;
  const columns = {
    shardId: lines[0],
    fromChangeId,
    toChangeId,
    vectorIds: lines.slice(1, 1 + count),
    keys: lines.slice(1 + count, 1 + count + keyCount),
    metadata: marks.map((mark) => (mark === 1 ? texts.shift() : undefined)),
    contextSites: Int32Array.from(numbers.slice(sites, sites + entries)),
    contextSeqs: Float64Array.from(numbers.slice(sites + entries)),
    vectors: new Float32Array(unhex(vectors).buffer),
  };
  Object.entries(COLUMNS).forEach(([name, kind], index) => (columns[name] = kind.from(column(index))));
  return columns;
}

const listed = ([name, value]) => [name, ArrayBuffer.isView(value) ? [...value] : value];
const plain = ({ vectors, ...columns }) => ({
  ...Object.fromEntries(Object.entries(columns).map(listed)),
  vectors: hex(new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength)),
});

export function examples(test, { api, assert, vectors, fails }) {
  const { ConflictResolver, Delta, DeltaEncoder, VersionVector, decodeColumns, encodeColumns, resolveDeltas } = api;

  vectors.deltas.forEach((example, number) => {
    for (const compression of ['none', 'msgpack', 'lz4']) {
      test(`delta ${number}: the bytes with ${compression} are Rust's`, () => {
        assert.equal(hex(encodeColumns(columnsOf(example.flat), compression)), example.bytes[compression]);
        const delta = DeltaEncoder.deserialize(unhex(example.bytes[compression]));
        assert.equal(delta.checksum, example.checksum);
        assert.equal(hex(DeltaEncoder.serialize(delta)), example.bytes[compression]);
        const decoded = decodeColumns(unhex(example.bytes[compression]));
        assert.deepEqual(plain(decoded), plain(columnsOf(example.decoded)));
      });
    }
    test(`delta ${number}: the newest changes are Rust's`, () => {
      const { changes } = DeltaEncoder.deserialize(unhex(example.bytes.none));
      assert.deepEqual(DeltaEncoder.optimize(changes), example.newest.map((index) => changes[index]));
    });
    test(`delta ${number}: zstd is read, or refused with ERR_CODEC`, () => {
      const bytes = unhex(example.bytes.zstd);
      try {
        assert.equal(DeltaEncoder.deserialize(bytes).checksum, example.checksum);
      } catch (error) {
        assert.equal(error.code, 'ERR_CODEC', error.stack);
      }
    });
  });
  vectors.resolved.forEach((example, number) => {
    const [local, remote] = [example.local, example.remote].map(unhex);
    const changes = [local, remote].flatMap((bytes) => Delta.deserialize(bytes).changes);
    for (const [strategy, { groups, ids, bytes }] of Object.entries(example.strategies)) {
      test(`pair ${number}: ${strategy} is Rust's`, () => {
        assert.equal(hex(resolveDeltas(local, remote, strategy)), bytes);
        assert.equal(hex(resolveDeltas(remote, local, strategy)), bytes);
        const { resolved, conflicts } = new ConflictResolver(strategy).resolveAll(changes, []);
        assert.equal(conflicts.map(({ id }) => id).join(''), ids);
        const standing = [];
        for (let at = 0; at < groups.length; at += 2 + groups[at + 1]) {
          if (groups[at + 1] > 1) standing.push(groups.slice(at + 2, at + 2 + groups[at + 1]));
          const winner = resolved.shift();
          if (groups[at] < changes.length) assert.ok(winner === changes[groups[at]], 'the winner is the very object');
          else assert.equal(winner.sourceNode, 'merge');
        }
        const places = conflicts.map(({ versions }) => versions.map((version) => changes.indexOf(version)));
        assert.deepEqual(places, standing);
      });
    }
  });
  for (const { name, input, code } of vectors.badBytes) {
    test(`bytes refused: ${name}`, () => {
      fails(code, () => decodeColumns(unhex(input)));
      fails(code, () => DeltaEncoder.deserialize(unhex(input)));
      fails(code, () => Delta.deserialize(unhex(input)));
    });
  }
  vectors.versions.forEach(({ text, numbers, relation, joined, incremented }, number) => {
    // Two entries of one key make no Map, and half a number is refused before the core sees it.
    const [first, second, ...seqs] = numbers;
    const keys = text === '' ? [] : text.split('\n');
    const map = (from, to) => new Map(keys.slice(from, to).map((key, index) => [key, seqs[from + index]]));
    const pair = (pairs, at) => [keys[pairs[2 * at]], pairs[2 * at + 1]];
    const shown = (pairs) => new Map(Array.from({ length: pairs.length / 2 }, (_, at) => pair(pairs, at)));
    if (keys.length === first + second) {
      test(`version vectors ${number} relate and join as in Rust`, () => {
        const [a, b] = [map(0, first), map(first, first + second)];
        if (typeof relation === 'string') return void fails(relation, () => VersionVector.relation(a, b));
        assert.equal(VersionVector.relation(a, b), ['equal', 'before', 'after', 'concurrent'][relation]);
        assert.deepEqual([...VersionVector.merge(a, b)], [...shown(joined)]);
      });
    } else if (second === 0 && Array.isArray(incremented)) {
      test(`version vector ${number} counts up as in Rust`, () => {
        assert.deepEqual([...VersionVector.increment(map(0, first), keys.at(-1))], [...shown(incremented)]);
      });
    }
  });
}
