// The compiled addon: beside this file where it was built from source, else in the platform's own package.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as Native from './native';

const PACKAGE = '@agentic-flow/sqlite-vector';

/** The addon's exports. Loading this module throws ERR_ADDON, which names the missing package, where there is none. */
export const addon: typeof Native = load(platforms());

function load(candidates: string[]): typeof Native {
  const faults: string[] = [];
  for (const platform of candidates) {
    const built = join(__dirname, `sqlite-vector.${platform}.node`);
    const file = existsSync(built) ? built : `${PACKAGE}-${platform}`;
    try {
      return require(file);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      faults.push(code === 'MODULE_NOT_FOUND' ? `${file} is not installed` : `${file} does not load: ${message}`);
    }
  }
  const message =
    `no compiled addon for ${process.platform}-${process.arch}: ${faults.join('; ')}. ` +
    `Install ${PACKAGE} again with optional dependencies (npm install --include=optional), or build it from source`;
  throw Object.assign(new Error(message), { code: 'ERR_ADDON' });
}

/** The names under which an addon for this machine may have been built, in the order to try. */
function platforms(): string[] {
  const base = `${process.platform}-${process.arch}`;
  // npm installs only the one that fits the C library; where both are there, the wrong one does not load.
  if (process.platform === 'linux') return [`${base}-gnu`, `${base}-musl`];
  return [process.platform === 'win32' ? `${base}-msvc` : base];
}
