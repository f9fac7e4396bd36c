// Random changes: against a plain model, and through bytes and back.
import { exactly, hex } from './fixtures.mjs';

/** Numbers that depend on the seed alone (Mulberry32). */
export function draws(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count) => Math.floor(next() * count);
  return { next, below, oneOf: (list) => list[below(list.length)] };
}

const KEYS = ['ana@00000000000000aa', 'bob@00000000000000bb', 'f00d000000000001', 'cyd', 'é'];
const METADATA = [undefined, undefined, {}, { a: 1 }, { b: 'ü "q"', a: [1.5, null, { x: true }] }, { 'key\n': -0.25 }];

/** Changes of a few vectors by a few sites. One number has one content. */
export function randomChanges(draw, count) {
  const made = new Map();
  const changes = [];
  for (let index = 0; index < count; index++) {
    const [site, seq, vectorId] = [draw.oneOf(KEYS), 1 + draw.below(6), draw.oneOf(['v', 'w', 'ζ', 'a b'])];
    const known = `${vectorId} ${site} ${seq}`;
    if (!made.has(known)) made.set(known, randomChange(draw, site, seq, vectorId));
    changes.push({ ...made.get(known), id: 1 + draw.below(1000) });
  }
  return changes;
}

function randomChange(draw, site, seq, vectorId) {
  const versionVector = new Map([[site, seq]]);
  // Of others only smaller numbers: as in real histories, no two changes have seen one another.
  for (const key of KEYS) {
    if (key !== site && draw.below(4) === 0) versionVector.set(key, draw.below(seq));
  }
  const [operation, metadata] = [draw.oneOf(['insert', 'update', 'update', 'delete']), draw.oneOf(METADATA)];
  const vector = Float32Array.from({ length: draw.oneOf([3, 3, 3, 2]) }, () => draw.next() - 0.5);
  return {
    id: 0,
    operation,
    shardId: 's',
    vectorId,
    ...(operation !== 'delete' && { vector, ...(metadata && { metadata }) }),
    timestamp: 1_700_000_000_000_000 + draw.below(5),
    sourceNode: site,
    versionVector,
    ...(draw.below(3) > 0 && { dot: { site, seq } }),
  };
}

const dotOf = (change) => change.dot ?? { site: change.sourceNode, seq: change.versionVector.get(change.sourceNode) };

// Sites, by their numbers, come before other keys.
function keyOrder(one, other) {
  const [a, b] = [one, other].map((key) => /(?<=^|@)[0-9a-f]{16}$/.exec(key)?.[0]);
  if ((a === undefined) !== (b === undefined)) return a === undefined ? 1 : -1;
  const [left, right] = a === undefined ? [one, other] : [a, b];
  return left < right ? -1 : left > right ? 1 : 0;
}

const precedence = (one, other) =>
  one.timestamp - other.timestamp ||
  keyOrder(dotOf(one).site, dotOf(other).site) ||
  dotOf(one).seq - dotOf(other).seq;

/** What stands of each vector, by comparing all with all. */
export function standingOf(changes) {
  const groups = new Map();
  for (const change of changes) {
    const group = groups.get(change.vectorId) ?? new Map();
    groups.set(change.vectorId, group);
    const { site, seq } = dotOf(change);
    const held = group.get(`${site} ${seq}`);
    if (held === undefined || change.id < held.id) group.set(`${site} ${seq}`, change);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => {
    const versions = [...group.values()].sort(precedence);
    const isCovered = (change) => {
      const { site, seq } = dotOf(change);
      return versions.some((other) => other !== change && (other.versionVector.get(site) ?? 0) >= seq);
    };
    return versions.filter((change) => !isCovered(change));
  });
}

/** `resolveAll` against the model, both ways round. */
export function againstModel({ api: { ConflictResolver, DeltaEncoder }, assert }, seed) {
  const draw = draws(seed);
  for (let round = 0; round < 200; round++) {
    const all = randomChanges(draw, draw.below(24));
    const cut = draw.below(all.length + 1);
    const [local, remote] = [all.slice(0, cut), all.slice(cut)];
    const expected = standingOf([...local, ...remote]);
    for (const [strategy, place] of [['last-write-wins', -1], ['first-write-wins', 0]]) {
      const resolver = new ConflictResolver(strategy);
      const { resolved, conflicts } = resolver.resolveAll(local, remote);
      const where = `round ${round}, ${strategy}`;
      assert.deepEqual(resolved.map(exactly), expected.map((list) => exactly(list.at(place))), where);
      const standing = expected.filter((list) => list.length > 1);
      const versionsOf = conflicts.map(({ versions }) => versions.map(exactly));
      assert.deepEqual(versionsOf, standing.map((list) => list.map(exactly)), where);
      const other = resolver.resolveAll(remote, local);
      assert.deepEqual(other.resolved.map(exactly), resolved.map(exactly), where);
      assert.deepEqual(other.conflicts.map(({ id }) => id), conflicts.map(({ id }) => id), where);
    }
    const resolver = new ConflictResolver('merge');
    const [here, there] = [resolver.resolveAll(local, remote), resolver.resolveAll(remote, local)];
    assert.deepEqual(here.resolved.map(exactly), there.resolved.map(exactly), `round ${round}, merge`);
    const again = resolver.resolveAll(here.resolved, [...local, ...remote]);
    assert.deepEqual(again.resolved.map(exactly), here.resolved.map(exactly), 'a resolution is final');
    const one = randomChanges(draw, 12);
    const newest = new Set(standingOf(one).flat().map((change) => JSON.stringify(exactly({ ...change, id: 0 }))));
    const kept = DeltaEncoder.optimize(one);
    assert.deepEqual(new Set(kept.map((change) => JSON.stringify(exactly({ ...change, id: 0 })))), newest);
  }
}

/** Bytes and back; equal content has equal bytes. */
export function roundTrips({ api: { DeltaEncoder, decodeColumns, encodeColumns }, assert }, seed) {
  const draw = draws(seed);
  for (let round = 0; round < 100; round++) {
    const changes = randomChanges(draw, 1 + draw.below(20));
    const compression = draw.oneOf(['none', 'msgpack', 'lz4']);
    const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('s', changes, compression));
    const delta = DeltaEncoder.deserialize(bytes);
    assert.deepEqual(delta.changes.map(exactly), changes.map(exactly), `round ${round}`);
    assert.equal(hex(DeltaEncoder.serialize(delta)), hex(bytes), `round ${round}`);
    assert.equal(hex(encodeColumns(decodeColumns(bytes), compression)), hex(bytes), `round ${round}`);
  }
}
