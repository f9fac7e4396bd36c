// A small page built by each bundler from the installed tarball, with what the bundler does by itself: it passes the
// spec in a real Chromium.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import webpack from 'webpack';
import { testsOfPage } from '../browser/browser.mjs';
import { serve } from '../browser/server.mjs';
import { NAME, project, root, rootTarball, write } from './support.mjs';

// By name, as pages import: a bundler may then leave out files that it takes for detours.
const MAIN = (names) => `
import { ${names} } from '${NAME}/delta';
import { spec } from './spec/delta.spec.mjs';
import { runSpec } from './harness.mjs';

const vectors = fetch('/spec/vectors.json').then((response) => response.json());
globalThis.results = vectors.then((loaded) => runSpec({ ${names} }, spec, loaded));
`;

const HTML = (script) => `<!doctype html>
<meta charset="utf-8">
<title>a bundled page</title>
<link rel="icon" href="data:,">
${script}
`;
const PLAIN = '<script src="./main.js"></script>';
const MODULE = '<script type="module" src="./main.js"></script>';

/** Builds `main.mjs` of the folder `where` into its folder `out`, and resolves to all warnings. */
const bundlers = {
  async Vite(where, out) {
    write(where, 'index.html', HTML('<script type="module" src="./main.mjs"></script>'));
    const warnings = [];
    const warn = (text) => warnings.push(text);
    const customLogger = { ...vite.createLogger('silent'), warn, warnOnce: warn };
    await vite.build({ root: where, configFile: false, customLogger, logLevel: 'warn', build: { outDir: out } });
    return warnings;
  },

  async esbuild(where, out) {
    const entries = { entryPoints: ['main.mjs'], absWorkingDir: where, outdir: out, logLevel: 'silent' };
    const { warnings } = await esbuild.build({ ...entries, bundle: true });
    write(where, join(out, 'index.html'), HTML(PLAIN));
    return warnings;
  },

  async webpack(where, out) {
    const output = { path: join(where, out), filename: 'main.js' };
    const stats = await promisify(webpack)({ mode: 'production', context: where, entry: './main.mjs', output });
    write(where, join(out, 'index.html'), HTML(PLAIN));
    const { errors, warnings } = stats.toJson();
    assert.deepEqual(errors.map(({ message }) => message), []);
    return warnings.map(({ message }) => message);
  },

  async Rollup(where, out) {
    const warnings = [];
    const onwarn = ({ message }) => warnings.push(message);
    const bundle = await rollup({ input: join(where, 'main.mjs'), plugins: [nodeResolve()], onwarn });
    await bundle.write({ file: join(where, out, 'main.js') });
    await bundle.close();
    write(where, join(out, 'index.html'), HTML(MODULE));
    return warnings;
  },
};

let where;
before(async () => {
  // Without the package of a platform: nothing native may be needed on this way.
  where = project([rootTarball()]);
  const entry = await import(pathToFileURL(join(where, 'node_modules', NAME, 'dist/delta.browser.mjs')));
  write(where, 'main.mjs', MAIN(Object.keys(entry).join(', ')));
  cpSync(join(root, 'tests/spec'), join(where, 'spec'), { recursive: true });
  for (const name of ['harness.mjs', 'assert.mjs']) copyFileSync(join(root, 'tests/browser', name), join(where, name));
});

for (const [name, build] of Object.entries(bundlers)) {
  test(`a page built with ${name} passes the spec`, async (t) => {
    const out = `out-${name}`;
    assert.deepEqual(await build(where, out), []);
    const server = await serve({ '/spec/': join(root, 'tests/spec'), '/': join(where, out) });
    t.after(() => server.close());
    await testsOfPage(t, `${server.origin}/index.html`);
  });
}
