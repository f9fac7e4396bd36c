// Files that a script runs: because of where they lie and what they are called, or because they are programs.
import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, StepFailure } from './step.mjs';

/** Paths below `folder`, relative to the root and in order, that `wanted` accepts. None at all is a failure: a moved
 *  folder must never pass for a run in which everything went well. */
export function filesUnder(folder, wanted) {
  const files = readdirSync(join(root, folder), { recursive: true })
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .filter(wanted)
    .sort();
  if (files.length === 0) throw new StepFailure(`nothing to run in ${folder}`);
  return files;
}

/** Whether a program that this user may run is at this path. */
export function canRun(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
