// The compiled addon: in dist/ where it was built from source, else in the platform's own package.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as Native from './native';
import { inThisRealm } from './realm';

const PACKAGE = '@agentic-flow/sqlite-vector';
/** The platforms that have a package: `napi.targets` of package.json. */
const PACKAGED = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
];

/** The addon's exports. Loading this module throws ERR_ADDON, which names the package to install, if there is none. */
export const addon: typeof Native = inThisRealm(load());

function load(): typeof Native {
  const faults = new Map<string, Error>();
  for (const platform of platforms()) {
    try {
      return loadFor(platform);
    } catch (error) {
      faults.set(platform, error as Error);
    }
  }
  const platform = platforms().find((name) => !name.endsWith(foreignLibc())) as string;
  const cause = faults.get(platform);
  throw Object.assign(new Error(`${cause?.message}. ${wayOut(platform)}`, { cause }), { code: 'ERR_ADDON' });
}

function loadFor(platform: string): typeof Native {
  const built = join(__dirname, '..', `sqlite-vector.${platform}.node`);
  const name = `${PACKAGE}-${platform}`;
  if (!existsSync(built)) checkInstalled(name);
  const file = existsSync(built) ? built : name;
  try {
    return require(file);
  } catch (error) {
    throw new Error(`the compiled addon ${file} does not load: ${(error as Error).message}`, { cause: error });
  }
}

/** Facade and addon talk in a way that changes between versions: both must come from one. */
function checkInstalled(name: string): void {
  let version: string;
  try {
    ({ version } = require(`${name}/package.json`));
  } catch (error) {
    throw new Error(`the compiled addon ${name} is not installed`, { cause: error });
  }
  if (version !== ownVersion()) {
    throw new Error(`the compiled addon ${name} has version ${version}, and ${PACKAGE} ${ownVersion()}`);
  }
}

function wayOut(platform: string): string {
  if (!PACKAGED.includes(platform)) return `No package exists for ${platform}: build it from source`;
  return (
    `Install it: npm install ${PACKAGE}-${platform}@${ownVersion()} ` +
    '(npm leaves it out with --omit=optional, and where node_modules or the lock file comes from another platform)'
  );
}

/** The names under which an addon for this machine may have been built, in the order to try. */
function platforms(): string[] {
  const base = `${process.platform}-${process.arch}`;
  // npm installs only the one that fits the C library; where both are there, the wrong one does not load.
  if (process.platform === 'linux') return [`${base}-gnu`, `${base}-musl`];
  return [process.platform === 'win32' ? `${base}-msvc` : base];
}

/** The C library of Linux that this Node does not run on. Asked only once something has failed: the report is slow. */
function foreignLibc(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? '-gnu' : '-musl';
}

function ownVersion(): string {
  return require('../../package.json').version;
}
