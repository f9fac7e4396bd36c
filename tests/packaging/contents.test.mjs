// The tarballs hold what is needed to run and to compile against, and nothing else.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { NapiCli } from '@napi-rs/cli';
import { build } from 'esbuild';
import ts from 'typescript';
import { hostPackage, platformPackages } from '../../scripts/release/pack.mjs';
import { NAME, contents, platformTarball, project, read, root, rootTarball } from './support.mjs';

const DOCUMENTS = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'];
// The WASM module is in it twice: for pages, and for a Node without the addon.
const MOST_BYTES = 210 * 1024;

const tarball = rootTarball();
const manifest = JSON.parse(read(tarball, 'package.json'));
const installed = join(project([tarball]), 'node_modules', NAME);

test('the root tarball holds exactly the files that its entries lead to', async () => {
  const entries = targets(manifest.exports).filter((path) => path.startsWith('./dist/'));
  const typings = entries.filter((path) => /\.d\.m?ts$/.test(path));
  const code = entries.filter((path) => /\.m?js$/.test(path));
  const expected = new Set([
    ...DOCUMENTS,
    ...typingsBehind(typings),
    ...(await codeBehind([...code, ...Object.values(manifest.bin)])),
  ]);
  assert.deepEqual(contents(tarball), [...expected].sort());
});

test(`the root tarball has at most ${MOST_BYTES} bytes`, (t) => {
  const { size } = statSync(tarball);
  t.diagnostic(`${size} bytes`);
  assert.ok(size <= MOST_BYTES, `${size} bytes`);
});

test('the platform tarball holds the addon and the licences', () => {
  const { addon, manifest: platform } = hostPackage();
  assert.deepEqual(contents(platformTarball()), [...DOCUMENTS, addon].sort());
  const packed = JSON.parse(read(platformTarball(), 'package.json'));
  assert.equal(packed.main, addon);
  assert.deepEqual([packed.os, packed.cpu, packed.libc], [platform.os, platform.cpu, platform.libc]);
});

test('nothing runs at installation, and nothing else is installed', () => {
  for (const packed of [tarball, platformTarball()]) {
    const { scripts, dependencies, bundleDependencies } = JSON.parse(read(packed, 'package.json'));
    assert.deepEqual([scripts, dependencies, bundleDependencies], [undefined, undefined, undefined]);
    // npm compiles by itself where a package has this file.
    assert.ok(!contents(packed).includes('binding.gyp'));
  }
});

test('the root package offers every platform package in its own version, and the loader knows them all', () => {
  const packages = platformPackages();
  const expected = Object.fromEntries(packages.map((one) => [`${NAME}-${one.platform}`, manifest.version]));
  assert.deepEqual(manifest.optionalDependencies, expected);
  const loader = readFileSync(join(root, 'bindings/js/src/native/platforms.ts'), 'utf8');
  const [, list] = /const PACKAGED = \[([^\]]*)\]/.exec(loader);
  const known = [...list.matchAll(/'([^']+)'/g)].map(([, name]) => name);
  assert.deepEqual(known.sort(), packages.map((one) => one.platform));
  const beside = readFileSync(join(root, 'bindings/js/src/native/beside.ts'), 'utf8');
  for (const { platform, addon } of packages) assert.ok(beside.includes(`'../../../sqlite-vector-${platform}/${addon}'`), platform);
});

test('npm/ is what `napi create-npm-dirs` writes for the targets of package.json', async (t) => {
  const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // It takes no folder outside of the package's own.
  const fresh = mkdtempSync(join(root, 'target', 'npm-dirs-'));
  t.after(() => rmSync(fresh, { recursive: true }));
  await new NapiCli().createNpmDirs({ cwd: root, npmDir: relative(root, fresh) });
  const packages = platformPackages();
  assert.equal(packages.length, napi.targets.length);
  for (const { platform, manifest: kept } of packages) {
    assert.deepEqual(kept, JSON.parse(readFileSync(join(fresh, platform, 'package.json'), 'utf8')), platform);
  }
});

test("the repository's own package.json has no optional dependencies: its lock file could not be installed", () => {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(own.optionalDependencies, undefined);
  assert.ok(!readFileSync(join(root, 'package-lock.json'), 'utf8').includes(`${NAME}-`));
});

function targets(conditions) {
  return typeof conditions === 'string' ? [conditions] : Object.values(conditions).flatMap(targets);
}

// Whatever TypeScript opens below the package when it compiles against these entries.
function typingsBehind(entries) {
  const options = { module: ts.ModuleKind.Node16, types: [] };
  const program = ts.createProgram(entries.map((path) => join(installed, path)), options);
  return program
    .getSourceFiles()
    .map(({ fileName }) => fileName.split(`/${NAME}/`)[1])
    .filter((path) => path !== undefined);
}

// Whatever code a bundler opens, and beside it the CommonJS entries that the ESM ones require.
async function codeBehind(entries) {
  const { metafile } = await build({
    absWorkingDir: installed,
    entryPoints: entries.map((path, index) => ({ in: path, out: String(index) })),
    bundle: true,
    write: false,
    metafile: true,
    outdir: 'bundle',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return Object.keys(metafile.inputs);
}
