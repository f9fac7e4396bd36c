// The generated files that are committed, and the proof that the committed ones are current.
import { run, StepFailure } from './step.mjs';

/** Typings of the addon, as napi-derive wrote them. */
export const TYPINGS = 'bindings/js/src/native.d.ts';

/** Fails where the last build wrote something else than what git holds (the index counts: `git add` is enough). */
export async function checkGenerated() {
  try {
    await run('git', ['ls-files', '--error-unmatch', '--', TYPINGS]);
    await run('git', ['diff', '--exit-code', '--', TYPINGS]);
  } catch (error) {
    throw new StepFailure(`${error.message}\n${TYPINGS} is not the one in git: look at the difference, then \`git add\` it`);
  }
}
