// The tarballs, exactly as they are published: `node scripts/release/pack.mjs [--all] [--addons FOLDER] [OUT]`.
// FOLDER (dist) holds the compiled addons. With --all a missing one is a failure, without it its package is left out.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { main, root, StepFailure } from '../run/step.mjs';

/** The platform packages: their folder below npm/, their package.json and the name of the addon that they carry. */
export function platformPackages() {
  return readdirSync(join(root, 'npm'))
    .sort()
    .map((platform) => {
      const manifest = readJson(join(root, 'npm', platform, 'package.json'));
      return { platform, manifest, addon: manifest.main };
    });
}

/** The platform package that this very Node would load. */
export function hostPackage() {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const here = [process.platform, process.arch, glibcVersionRuntime ? 'glibc' : 'musl'];
  const found = platformPackages().find(({ manifest: { os, cpu, libc } }) =>
    [os, cpu, libc ?? here].every((list, index) => list.includes(here[index])),
  );
  if (!found) throw new StepFailure(`npm/ has no package for ${here.join(' ')}`);
  return found;
}

/** Packs the root package into the folder `out`. Its package.json gets the platform packages as optional dependencies:
 *  the repository's has none, as no lock file can hold what is not published yet. Returns the tarball's path. */
export function packRoot(out) {
  return staged((stage) => {
    const manifest = readJson(join(root, 'package.json'));
    const platforms = platformPackages().map(({ manifest: { name, version } }) => [name, version]);
    const drifted = platforms.find(([, version]) => version !== manifest.version);
    if (drifted) throw new StepFailure(`${drifted.join('@')} is not of version ${manifest.version}: ${DIRS_WAY_OUT}`);
    for (const name of ['README.md', ...LICENSES]) copyFileSync(join(root, name), join(stage, name));
    const isAddon = (path) => path.endsWith('.node');
    cpSync(join(root, 'dist'), join(stage, 'dist'), { recursive: true, filter: (path) => !isAddon(path) });
    // What serves only the work on the repository stays there.
    const { scripts, napi, devDependencies, ...published } = manifest;
    writeJson(join(stage, 'package.json'), { ...published, optionalDependencies: Object.fromEntries(platforms) });
    return pack(stage, out);
  });
}

/** Packs the package of one platform with its addon, and the licences, into the folder `out`. Returns its path. */
export function packPlatform({ platform, manifest, addon }, addons, out) {
  return staged((stage) => {
    copyFileSync(join(root, 'npm', platform, 'README.md'), join(stage, 'README.md'));
    copyFileSync(join(addons, addon), join(stage, addon));
    for (const name of LICENSES) copyFileSync(join(root, name), join(stage, name));
    writeJson(join(stage, 'package.json'), { ...manifest, type: 'commonjs', files: [addon, ...LICENSES] });
    return pack(stage, out);
  });
}

const LICENSES = ['LICENSE-MIT', 'LICENSE-APACHE'];
const DIRS_WAY_OUT = '`napi version` writes the version of package.json into npm/, `napi create-npm-dirs` new targets';

function staged(work) {
  const stage = mkdtempSync(join(tmpdir(), 'vectr-pack-'));
  try {
    return work(stage);
  } finally {
    rmSync(stage, { recursive: true });
  }
}

function pack(stage, out) {
  mkdirSync(out, { recursive: true });
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', out];
  const shell = process.platform === 'win32';
  const answer = execFileSync('npm', args, { cwd: stage, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], shell });
  return join(out, readTarballName(JSON.parse(answer)));
}

// npm 12 answers with an object by package name, older ones with a list.
function readTarballName(answer) {
  return Object.values(answer)[0].filename;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

await main(import.meta.url, () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { all: { type: 'boolean' }, addons: { type: 'string', default: join(root, 'dist') } },
  });
  const out = resolve(positionals[0] ?? join(root, 'target', 'packages'));
  const addons = resolve(values.addons);
  const packages = platformPackages();
  const missing = packages.filter(({ addon }) => !existsSync(join(addons, addon)));
  if (values.all && missing.length > 0) {
    throw new StepFailure(`${addons} has no ${missing.map(({ addon }) => addon).join(', ')}`);
  }
  // Platforms first: whoever publishes in this order never offers a root package whose platforms are not there yet.
  const present = packages.filter((one) => !missing.includes(one));
  for (const one of present) console.log(packPlatform(one, addons, out));
  console.log(packRoot(out));
});
