// The module worker behind worker-page.mjs.
import * as delta from '/dist/delta.browser.mjs';
import { spec } from '/spec/delta.spec.mjs';
import { runSpec } from '/browser/harness.mjs';

const response = await fetch('/spec/vectors.json');
postMessage(await runSpec(delta, spec, await response.json()));
