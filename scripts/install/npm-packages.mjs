// The npm packages of the lock file, installed exactly; nothing is done where they already are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { root, run } from '../run/step.mjs';

/** Runs `npm ci` unless node_modules holds what package.json and package-lock.json ask for. */
export async function installPackages() {
  const reason = outOfStep();
  if (!reason) return console.log('node_modules is in step with package-lock.json');
  console.log(`${reason}: installing`);
  await run('npm', ['ci', '--no-audit', '--no-fund']);
}

function outOfStep() {
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  if (!installed) return 'no packages are installed';

  const manifest = readJson('package.json');
  const locked = readJson('package-lock.json')?.packages ?? {};
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'];
  const drifted = kinds.find((kind) => !isDeepStrictEqual(manifest[kind] ?? {}, locked['']?.[kind] ?? {}));
  if (drifted) return `package-lock.json does not have the ${drifted} of package.json`;

  const missing = Object.keys(locked).find((path) => path !== '' && !satisfies(installed[path], locked[path]));
  if (missing) return `${missing} is not the locked one`;
  const foreign = Object.keys(installed).find((path) => !(path in locked));
  return foreign ? `${foreign} is not locked` : null;
}

// Packages for other platforms are locked, but never installed here.
function satisfies(installed, locked) {
  if (!installed) return locked.optional === true || locked.devOptional === true;
  return installed.version === locked.version && installed.integrity === locked.integrity;
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}
