// The delta API against what people would write instead, in one run: each contender once a round, round after round.
// Imports nothing: a page measures with the same code.

/** Measures. `api`: an entry of '@agentic-flow/sqlite-vector/delta'. `Packr`: msgpackr's. `msgpack`: encode and decode
 *  of '@msgpack/msgpack'. `embeddings`: at least 2,000 vectors of `dimensions` components. `hash`: of bytes, where there
 *  is a quick one. `only`: the names of contenders, where not all are wanted. Returns medians in ms, by name. */
export function measure({ api, Packr, msgpack, embeddings, dimensions, hash, rounds = 41, only }) {
  const contenders = contendersOf({ api, Packr, msgpack, hash, ...changesOf(embeddings, dimensions) });
  const chosen = Object.entries(contenders).filter(([name]) => only === undefined || only.includes(name));
  const times = new Map(chosen.map(([name]) => [name, []]));
  for (let round = 0; round < rounds + WARM_UP; round++) {
    for (const [name, work] of chosen) {
      const started = performance.now();
      work();
      if (round >= WARM_UP) times.get(name).push(performance.now() - started);
    }
  }
  return Object.fromEntries([...times].map(([name, list]) => [name, list.sort((a, b) => a - b)[list.length >> 1]]));
}

/** What has to hold: two contenders, and how many times as long the first may take at most. */
export const DEMANDS = [
  ['objects', 'msgpackr, number arrays', 1 / 5],
  ['objects', '@msgpack/msgpack, number arrays', 1 / 5],
  ['objects', 'msgpackr, typed arrays', 4],
  ['columns', 'msgpackr, typed arrays', 1],
  ['columns', 'msgpackr, typed arrays, hashed', 1 / 1.5],
  ['resolveAll', 'plain loop', 3],
  ['resolveDeltas', 'msgpackr, plain loop, msgpackr', 1 / 2],
];

/** A Markdown table of all times and of the demands. */
export function report(medians) {
  const lines = ['| what | ms |', '| --- | ---: |'];
  for (const [name, time] of Object.entries(medians)) lines.push(`| ${name} | ${time.toFixed(2)} |`);
  lines.push('', '| what | against | times as long | at most | holds |', '| --- | --- | ---: | ---: | --- |');
  for (const [one, other, most] of DEMANDS) {
    if (medians[one] === undefined || medians[other] === undefined) continue;
    const ratio = medians[one] / medians[other];
    lines.push(`| ${one} | ${other} | ${ratio.toFixed(2)} | ${most.toFixed(2)} | ${ratio <= most ? 'yes' : 'NO'} |`);
  }
  return lines.join('\n');
}

const COUNT = 1_000;
const WARM_UP = 15;

// Two sides that changed the same vectors at the same time: every vector is a conflict.
function changesOf(embeddings, dimensions) {
  const side = (name, offset) =>
    Array.from({ length: COUNT }, (_, index) => {
      const start = (offset + index) * dimensions;
      const site = `${name}@${name.length.toString(16).padStart(15, '0')}${offset === 0 ? 1 : 2}`;
      return {
        id: index + 1,
        operation: 'update',
        shardId: 'phrases',
        vectorId: `phrase-${String(index).padStart(8, '0')}`,
        vector: embeddings.slice(start, start + dimensions),
        metadata: { text: `phrase ${index}`, rank: index },
        timestamp: 1_760_000_000_000_000 + index * 1000 + ((index * 7 + offset) % 10),
        sourceNode: name,
        versionVector: new Map([['origin@00000000000000ff', index + 1], [site, index + 1]]),
        dot: { site, seq: index + 1 },
      };
    });
  return { local: side('node-1', 0), remote: side('node-2', COUNT) };
}

function contendersOf({ api, Packr, msgpack, hash, local, remote }) {
  const { ConflictResolver, DeltaEncoder, decodeColumns, encodeColumns, resolveDeltas } = api;
  const packr = new Packr({ moreTypes: true });
  const numbers = local.map((change) => ({ ...change, vector: Array.from(change.vector) }));
  // This one knows no Maps.
  const plain = numbers.map((change) => ({ ...change, versionVector: Object.fromEntries(change.versionVector) }));
  const columns = decodeColumns(DeltaEncoder.serialize(DeltaEncoder.encode('phrases', local)));
  const [ours, theirs] = [local, remote].map((side) => DeltaEncoder.serialize(DeltaEncoder.encode('phrases', side)));
  const [packedOurs, packedTheirs] = [local, remote].map((side) => Uint8Array.from(packr.pack(side)));
  const resolver = new ConflictResolver();
  return {
    objects() {
      const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('phrases', local));
      expect(DeltaEncoder.decode(DeltaEncoder.deserialize(bytes)).length, COUNT);
    },
    columns() {
      expect(decodeColumns(encodeColumns(columns)).vectorIds.length, COUNT);
    },
    'msgpackr, number arrays'() {
      expect(packr.unpack(packr.pack(numbers)).length, COUNT);
    },
    '@msgpack/msgpack, number arrays'() {
      expect(msgpack.decode(msgpack.encode(plain)).length, COUNT);
    },
    'msgpackr, typed arrays'() {
      expect(packr.unpack(packr.pack(local)).length, COUNT);
    },
    ...(hash && {
      'msgpackr, typed arrays, hashed'() {
        const bytes = packr.pack(local);
        hash(bytes);
        hash(bytes);
        expect(packr.unpack(bytes).length, COUNT);
      },
    }),
    resolveAll() {
      expect(resolver.resolveAll(local, remote).conflicts.length, COUNT);
    },
    'plain loop'() {
      expect(plainLoop(local, remote).conflicts.length, COUNT);
    },
    resolveDeltas() {
      expect(resolveDeltas(ours, theirs).length > COUNT, true);
    },
    'msgpackr, plain loop, msgpackr'() {
      const { resolved } = plainLoop(packr.unpack(packedOurs), packr.unpack(packedTheirs));
      expect(packr.pack(resolved).length > COUNT, true);
    },
  };
}

// One of two versions has seen the other, or they are a conflict, which timestamp, site and number decide.
function plainLoop(local, remote) {
  const others = new Map(remote.map((change) => [change.vectorId, change]));
  const [resolved, conflicts] = [[], []];
  const detectedAt = Date.now() * 1000;
  for (const change of local) {
    const other = others.get(change.vectorId);
    others.delete(change.vectorId);
    if (other === undefined || hasSeen(change, other)) {
      resolved.push(change);
    } else if (hasSeen(other, change)) {
      resolved.push(other);
    } else {
      const isOurs = isAfter(change, other);
      const [winner, loser] = isOurs ? [change, other] : [other, change];
      resolved.push(winner);
      conflicts.push({
        id: conflictId(winner, loser),
        shardId: change.shardId,
        vectorId: change.vectorId,
        localChange: winner,
        remoteChange: loser,
        versions: [loser, winner],
        detectedAt,
      });
    }
  }
  resolved.push(...others.values());
  return { resolved, conflicts };
}

function hasSeen(change, { versionVector }) {
  for (const [site, seq] of versionVector) {
    if ((change.versionVector.get(site) ?? 0) < seq) return false;
  }
  return true;
}

function isAfter(one, other) {
  if (one.timestamp !== other.timestamp) return one.timestamp > other.timestamp;
  const [ours, theirs] = [one, other].map(({ dot }) => dot.site.slice(-16));
  return ours === theirs ? one.dot.seq > other.dot.seq : ours > theirs;
}

// Not hashed: the loop gets that for nothing.
function conflictId({ shardId, vectorId, dot: one }, { dot: other }) {
  const dots = [`${one.site}:${one.seq}`, `${other.site}:${other.seq}`].sort();
  return `${shardId}/${vectorId}/${dots.join('/')}`;
}

// A contender that did not do its work has no figures.
function expect(found, expected) {
  if (found !== expected) throw new Error(`${found} instead of ${expected}`);
}
