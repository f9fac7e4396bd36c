// What the parts of the spec share.

export const A = 'ana@00000000000000aa';
export const B = 'bob@00000000000000bb';
export const C = 'cyd@00000000000000cc';

/** Changes to build tests of, and expected failures. */
export function fixtures(api, assert) {
  /** A change of vector 'v' of shard 's', made by `site`: its `seq`th, at `timestamp`. */
  const change = (site, seq, timestamp, fields = {}) => ({
    id: seq,
    operation: 'update',
    shardId: 's',
    vectorId: 'v',
    vector: Float32Array.of(seq, timestamp),
    timestamp,
    sourceNode: site.split('@')[0],
    versionVector: new Map([[site, seq]]),
    dot: { site, seq },
    ...fields,
  });
  const removal = (site, seq, timestamp, fields = {}) => {
    const { vector, ...rest } = change(site, seq, timestamp, { operation: 'delete', ...fields });
    return rest;
  };
  const fails = (code, work, message = /./) => {
    let thrown;
    try {
      work();
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown !== undefined, `expected ${code}, but nothing was thrown`);
    assert.ok(thrown instanceof Error, `expected ${code}, but ${String(thrown)} is no Error`);
    assert.ok(thrown.code === code, `expected ${code}, but: ${thrown.code}: ${thrown.stack}`);
    assert.ok(message.test(thrown.message), `${thrown.message} is not as ${message}`);
    return thrown;
  };
  const sample = () => [
    change(A, 1, 1000, {
      operation: 'insert',
      metadata: { text: 'ä 🦊 "quoted"\n', deep: { list: [1, null, 'x'] } },
    }),
    change(B, 7, 1500, {
      vectorId: 'ω',
      versionVector: new Map([[A, 3], [B, 7]]),
      vector: Float32Array.of(-0, 1e-45),
    }),
    removal(A, 2, 2000, { vectorId: 'gone', id: 9 }),
    { ...change('cyd', 4, 1200, { vectorId: 'x'.repeat(1024) }), dot: undefined },
  ].map(({ dot, ...rest }) => (dot === undefined ? rest : { ...rest, dot }));
  return { change, removal, fails, sample };
}

/** Bytes as text. */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
/** The bytes of such a text. */
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
/** The bits of a vector, as text. */
export const bits = (vector) => vector && hex(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));

/** All that a change says, in a form that shows every bit. */
export const exactly = ({ vector, versionVector, ...rest }) => ({
  ...rest,
  vector: bits(vector),
  versionVector: [...versionVector].sort(),
});
