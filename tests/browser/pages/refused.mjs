// A page whose policy forbids WebAssembly.
import * as delta from '/dist/delta.browser.mjs';
import { assert } from '/browser/assert.mjs';
import { outcome } from '/browser/harness.mjs';

const expected = { code: 'ERR_NOT_INITIALIZED', message: /docs\/bundlers\.md has the ways out/ };

globalThis.results = Promise.all([
  outcome('the first use', () => assert.throws(() => delta.VersionVector.compare(new Map(), new Map()), expected)),
  outcome('initialize()', () => assert.rejects(delta.initialize(), expected)),
]);
