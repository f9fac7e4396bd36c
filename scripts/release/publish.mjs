// Publishes packed tarballs, platforms first: `node scripts/release/publish.mjs FOLDER`. What the registry has already is left
// out, so that a run that broke off can be repeated. --provenance: signed by the workflow that runs it. With --dry-run
// nothing leaves the machine.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { platformPackages } from './pack.mjs';
import { main, run, step, StepFailure } from '../run/step.mjs';

await main(import.meta.url, async () => {
  const options = { 'dry-run': { type: 'boolean' }, provenance: { type: 'boolean' } };
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  const folder = resolve(positionals[0] ?? '.');
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const packed = tarballs.map((name) => packageIn(join(folder, name)));
  const platforms = platformPackages().map(({ manifest }) => manifest.name);
  const missing = platforms.find((name) => !packed.some((one) => one.name === name));
  if (missing && !values['dry-run']) throw new StepFailure(`${folder} has no tarball of ${missing}`);

  // A root package that can be had before its platforms would be installed without them.
  packed.sort((a, b) => platforms.includes(b.name) - platforms.includes(a.name));
  for (const { tarball, name, version } of packed) {
    await step(`${name}@${version}`, () => publish(tarball, `${name}@${version}`, values));
  }
});

async function publish(tarball, spec, { 'dry-run': isDry, provenance }) {
  const args = ['publish', tarball, '--ignore-scripts', '--access', 'public'];
  if (isDry) return run('npm', [...args, '--dry-run', '--offline']);
  if (isPublished(spec)) return console.log('the registry has it already');
  return run('npm', provenance ? [...args, '--provenance'] : args);
}

function packageIn(tarball) {
  const manifest = execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' });
  const { name, version } = JSON.parse(manifest);
  return { tarball, name, version };
}

function isPublished(spec) {
  try {
    execFileSync('npm', ['view', spec, 'version'], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
    return true;
  } catch (error) {
    if (error.stderr.includes('E404')) return false;
    throw error;
  }
}
