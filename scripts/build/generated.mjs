// The generated files that are committed, and the proof that the committed ones are current.
import { run, StepFailure } from '../run/step.mjs';

/** Typings of the addon, as napi-derive wrote them. */
export const TYPINGS = 'bindings/js/src/native/native.d.ts';

/** Typings of the WASM module, as wasm-bindgen wrote them. */
export const WASM_TYPINGS = 'bindings/js/src/native/wasm.d.ts';

/** Fails where the last build wrote something else than what git holds (the index counts: `git add` is enough). */
export async function checkGenerated() {
  for (const file of [TYPINGS, WASM_TYPINGS]) {
    try {
      await run('git', ['ls-files', '--error-unmatch', '--', file]);
      await run('git', ['diff', '--exit-code', '--', file]);
    } catch (error) {
      throw new StepFailure(`${error.message}\n${file} is not the one in git: look at the difference, then \`git add\` it`);
    }
  }
}
