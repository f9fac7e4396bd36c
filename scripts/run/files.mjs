// Finds the files that a script runs, and says which are newer than others.
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
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

/** When the newest of these files and folders' files was written. Paths are relative to the root. */
export function newest(...paths) {
  const time = (path) => {
    const stat = statSync(join(root, path));
    return stat.isDirectory() ? newest(...readdirSync(join(root, path)).map((name) => join(path, name))) : stat.mtimeMs;
  };
  return Math.max(0, ...paths.map(time));
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
