// A page with its own loader: the module comes from what `?source=` names, once the page asks for it.
import * as delta from '/dist/delta.slim.mjs';
import { spec } from '/spec/delta.spec.mjs';
import { assert } from '/browser/assert.mjs';
import { outcome, runSpec } from '/browser/harness.mjs';

const ADDRESS = '/written/delta.wasm';
const bytes = async () => new Uint8Array(await (await fetch(ADDRESS)).arrayBuffer());
const sources = {
  moduleBytes: async () => (await import('/dist/delta.module.mjs')).moduleBytes(),
  URL: () => new URL(ADDRESS, location.href),
  string: () => ADDRESS,
  Response: () => fetch(ADDRESS),
  Uint8Array: bytes,
  ArrayBuffer: async () => (await bytes()).buffer,
  Module: () => WebAssembly.compileStreaming(fetch(ADDRESS)),
};

globalThis.results = run(new URL(location.href).searchParams.get('source'));

async function run(name) {
  const unprepared = await outcome('before initialize() every call is ERR_NOT_INITIALIZED and names it', () => {
    const expected = { code: 'ERR_NOT_INITIALIZED', message: /initialize\(/ };
    assert.throws(() => delta.VersionVector.compare(new Map(), new Map()), expected);
    assert.throws(() => delta.DeltaEncoder.deserialize(new Uint8Array(100)), expected);
  });
  const missing = await outcome('initialize() without a source says what to give', () =>
    assert.rejects(delta.initialize(), { name: 'TypeError', code: 'ERR_ARGUMENT', message: /moduleBytes/ }),
  );
  const refused = await outcome('bytes that are no WebAssembly are refused, and the right ones taken after them', () =>
    assert.rejects(delta.initialize(new Uint8Array([1, 2, 3])), (error) => /^ERR_/.test(error.code)),
  );
  const started = await outcome(`initialize() takes ${name}`, async () => delta.initialize(await sources[name]()));
  const again = await outcome('a second initialize() changes nothing', () => delta.initialize());
  const vectors = await (await fetch('/spec/vectors.json')).json();
  return [unprepared, missing, refused, started, again, ...(await runSpec(delta, spec, vectors))];
}
