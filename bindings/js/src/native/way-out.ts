// What to do where the compiled addon cannot be loaded, in words: for errors and for the command `vectr`.
import { VectrError } from '../check/error';
import { findAddon, ownVersion } from './places';
import { PACKAGE, PACKAGED, ownPlatform, packageOf } from './platforms';

/** ERR_ADDON: why no addon was loaded, and what to do. `faults`: of the files that were found, by platform. */
export function addonError(faults: ReadonlyMap<string, Error>): VectrError {
  const platform = ownPlatform();
  const cause = faults.get(platform);
  if (cause === undefined) return new VectrError('ERR_ADDON', absent(platform));
  return new VectrError('ERR_ADDON', `${cause.message}. ${reinstall(platform)}`, { cause });
}

function absent(platform: string): string {
  if (!PACKAGED.includes(platform)) return `no compiled addon exists for ${platform}: build it from source`;
  const others = PACKAGED.filter((other) => other !== platform && findAddon(other) !== undefined);
  const missing = `the compiled addon ${packageOf(platform)} is not installed`;
  if (others.length > 0) {
    return `${missing}, but that of ${others.join(', ')}. Install on the system that runs the program: ${install(platform)}`;
  }
  if (ownVersion() === undefined) return `${missing} where the bundle that contains ${PACKAGE} finds it. ${leaveOut()}`;
  return (
    `${missing}. Install it: ${install(platform)} ` +
    '(npm leaves it out with --omit=optional, and where node_modules or the lock file comes from another platform). ' +
    'A deployment of single files needs node_modules/@agentic-flow whole'
  );
}

function reinstall(platform: string): string {
  return `Remove the folder of ${packageOf(platform)}, and install it again: ${install(platform)}`;
}

function install(platform: string): string {
  const version = ownVersion();
  return `npm install ${packageOf(platform)}${version === undefined ? '' : `@${version}`}`;
}

function leaveOut(): string {
  const here = HOSTS.filter(({ isHere }) => isHere?.() === true);
  const lines = (here.length > 0 ? here : HOSTS).map(({ name, line }) => `${name}: ${line}`);
  return `Leave the package out of the bundle (docs/bundlers.md). ${lines.join('; ')}`;
}

const HOSTS: { name: string; line: string; isHere?: () => boolean }[] = [
  {
    name: 'Next.js',
    line: `serverExternalPackages: ['${PACKAGE}']`,
    isHere: () => process.env['NEXT_RUNTIME'] !== undefined,
  },
  {
    name: 'Electron',
    line: "keep node_modules, with asarUnpack: ['**/*.node']",
    isHere: () => process.versions['electron'] !== undefined,
  },
  { name: 'Vite', line: `ssr: { external: ['${PACKAGE}'] }` },
  { name: 'esbuild and Rollup', line: `external: ['${PACKAGE}']` },
  { name: 'webpack', line: `externals: { '${PACKAGE}': 'commonjs ${PACKAGE}' }` },
  { name: 'serverless functions', line: 'deploy node_modules/@agentic-flow beside the bundle' },
];
