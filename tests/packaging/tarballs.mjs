// The tarballs that are tested: those that VECTR_PACKAGES names, else packed from dist/.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { hostPackage, packPlatform, packRoot } from '../../scripts/release/pack.mjs';
import { root } from '../../scripts/run/step.mjs';

/** Where tarballs lie that are to be tested as they are. Else they are packed from dist/. */
const GIVEN = process.env.VECTR_PACKAGES;

/** The tarball of the root package. */
export function rootTarball() {
  return GIVEN ? given(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))) : packRoot(packed());
}

/** The tarball of this machine's platform package. Packing it takes seconds: test files share it for one addon. */
export function platformTarball() {
  const host = hostPackage();
  if (GIVEN) return given(host.manifest);
  const addon = join(root, 'dist', host.addon);
  const kept = join(root, 'target', 'packages', `${host.platform}-${Math.round(statSync(addon).mtimeMs)}.tgz`);
  if (!existsSync(kept)) {
    mkdirSync(dirname(kept), { recursive: true });
    // A place of its own: test files run side by side.
    const place = mkdtempSync(join(dirname(kept), 'packing-'));
    const stripped = join(place, host.addon);
    copyFileSync(addon, stripped);
    // As the published profile does, where it can be done.
    if (process.platform === 'linux') execFileSync('strip', [stripped]);
    renameSync(packPlatform(host, place, place), kept);
    rmSync(place, { recursive: true });
  }
  return kept;
}

// A folder of this process alone.
function packed() {
  const folder = mkdtempSync(join(tmpdir(), 'vectr-tarballs-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function given({ name, version }) {
  return resolve(root, GIVEN, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
}
