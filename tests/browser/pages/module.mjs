// A page that loads the module with the WebAssembly inside.
import * as delta from '/dist/delta.browser.mjs';
import { spec } from '/spec/delta.spec.mjs';
import { runSpec } from '/browser/harness.mjs';

const vectors = fetch('/spec/vectors.json').then((response) => response.json());
globalThis.results = vectors.then((loaded) => runSpec(delta, spec, loaded));
