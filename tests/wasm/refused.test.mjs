// Hosts that compile no WebAssembly: pages by their policy, edge workers always. Users got a CompileError without a code.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

const REFUSAL = 'Wasm code generation disallowed by embedder';
const expected = {
  name: 'VectrError',
  code: 'ERR_NOT_INITIALIZED',
  message: `the WASM module is not loaded: ${REFUSAL}. docs/bundlers.md has the ways out for pages and edge workers`,
};

let delta;
before(async () => {
  // As V8 does it there: the constructor throws, and `instantiate` rejects.
  WebAssembly.Module = class {
    constructor() {
      throw new WebAssembly.CompileError(REFUSAL);
    }
  };
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (source, imports) => {
    if (source instanceof Uint8Array) throw new WebAssembly.CompileError(REFUSAL);
    // Node's own HTTP parser is WebAssembly, too.
    return instantiate(source, imports);
  };
  delta = await import('../../dist/delta.browser.mjs');
});

test('the first use is an error with a code and the way out', () => {
  const compare = () => delta.VersionVector.compare(new Map(), new Map());
  assert.throws(compare, expected);
  assert.throws(compare, ({ cause }) => cause instanceof WebAssembly.CompileError);
});

test('so is initialize()', () => assert.rejects(delta.initialize(), expected));
