// Programs for Node, bundled by each bundler: with the package inside, as bundlers do it by themselves, and with the package
// left out, as docs/bundlers.md advises. Bundles failed with "Cannot find module './index.js'", without a way out.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import webpack from 'webpack';
import { DONE, NAME, WORK, folder, node, platformTarball, project, rootTarball, tool, write } from './support.mjs';

/** Each builds `main.mjs` in the folder `where` into the file `out`, with the package inside or left out. */
const bundlers = {
  async 'esbuild, ES module'(where, out, isOut) {
    const external = isOut ? [NAME] : [];
    await esbuild.build({ ...esbuildOptions(where, out), format: 'esm', external });
  },

  async 'esbuild, CommonJS'(where, out, isOut) {
    const external = isOut ? [NAME] : [];
    write(where, 'main.cjs', commonJs(WORK));
    await esbuild.build({ ...esbuildOptions(where, out), entryPoints: ['main.cjs'], format: 'cjs', external });
  },

  async webpack(where, out, isOut) {
    const externals = isOut ? [new RegExp(`^${NAME}(/|$)`)] : [];
    const output = { path: dirname(join(where, out)), filename: out.split('/').at(-1), module: true };
    const options = { mode: 'production', target: 'node', context: where, entry: './main.mjs', output };
    const modules = { experiments: { outputModule: true }, externals, externalsType: 'module' };
    const stats = await promisify(webpack)({ ...options, ...modules });
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    assert.deepEqual([...errors, ...warnings].map(({ message }) => message), []);
  },

  async 'Vite SSR'(where, out, isOut) {
    const { base, name } = { base: dirname(out), name: out.split('/').at(-1) };
    const ssr = { noExternal: true, external: isOut ? [NAME] : [] };
    const build = { ssr: 'main.mjs', outDir: base, emptyOutDir: false, rollupOptions: { output: { entryFileNames: name } } };
    await vite.build({ root: where, configFile: false, logLevel: 'silent', build, ssr });
  },
};

const guide = readFileSync(new URL('../../docs/bundlers.md', import.meta.url), 'utf8');

let where;
before(() => {
  where = project([rootTarball(), platformTarball()]);
  write(where, 'main.mjs', WORK);
});

for (const [name, build] of Object.entries(bundlers)) {
  const file = (suffix) => `out/${name.replaceAll(/\W+/g, '-')}${suffix}.${name.includes('CommonJS') ? 'cjs' : 'mjs'}`;

  test(`${name}: the package inside finds its addon in node_modules`, async () => {
    await build(where, file(''), false);
    assert.equal(await node(where, [file('')]), DONE);
    // Moved away from there, it says what to do.
    const elsewhere = folder();
    mkdirSync(join(elsewhere, 'out'));
    copyFileSync(join(where, file('')), join(elsewhere, file('')));
    const { stderr } = await node(elsewhere, [file('')]).catch((error) => error);
    assert.match(stderr, /the compiled addon .* is not installed where the bundle .* finds it\. Leave the package out of/);
    for (const line of linesOf(stderr)) assert.ok(guide.includes(line), `docs/bundlers.md has no line ${line}`);
  });

  test(`${name}: the package left out`, async () => {
    await build(where, file('-external'), true);
    assert.equal(await node(where, [file('-external')]), DONE);
  });
}

test('Rollup: the package left out', async () => {
  const external = [new RegExp(`^${NAME}(/|$)`)];
  const bundle = await rollup({ input: join(where, 'main.mjs'), external, plugins: [nodeResolve()] });
  await bundle.write({ file: join(where, 'out/rollup.mjs') });
  await bundle.close();
  assert.equal(await node(where, ['out/rollup.mjs']), DONE);
});

test('a tracer of files, as serverless platforms use it, takes the addon along', async () => {
  const { fileList, warnings } = await tool('@vercel/nft').nodeFileTrace([join(where, 'main.mjs')], { base: where });
  assert.deepEqual([...warnings], []);
  const elsewhere = folder();
  for (const path of fileList) cpSync(join(where, path), join(elsewhere, path), { recursive: true });
  assert.equal(await node(elsewhere, ['main.mjs']), DONE);
});

/** The configuration that a message advises: the parts in code, without what surrounds them. */
function linesOf(message) {
  // What stands before the message may be a line of the bundle.
  const text = /^\w+[^:]*: the compiled addon .* Leave the package out of the bundle \(docs\/bundlers\.md\)\. (.*)/m;
  const [, advice] = text.exec(message);
  const lines = advice.split('; ').map((one) => one.replace(/^[^:]*: /, ''));
  assert.equal(lines.length, 6);
  return lines.flatMap((line) => line.match(/(external|externals|serverExternalPackages|asarUnpack): [[{].*?[\]}]/g) ?? []);
}

function esbuildOptions(where, out) {
  return { absWorkingDir: where, entryPoints: ['main.mjs'], outfile: out, bundle: true, platform: 'node', logLevel: 'error' };
}

function commonJs(text) {
  const required = text.replaceAll(/import (.*) from (.*);/g, 'const $1 = require($2);');
  const [imports, ...rest] = required.split('\nconst db');
  return `${imports}\n(async () => {\nconst db${rest.join('\nconst db')}})();\n`;
}
