// Other runtimes than Node: Bun, Deno, and the one of Cloudflare's workers.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { before, test } from 'node:test';
import * as esbuild from 'esbuild';
import { DONE, NAME, WORK, platformTarball, project, rootTarball, run, tool, toolFile, write } from './support.mjs';

const here = `${process.platform}-${process.arch}`;
const libc = process.platform === 'linux' ? '-glibc' : '';

let where;
before(() => {
  where = project([rootTarball(), platformTarball()]);
  write(where, 'main.mjs', WORK);
});

test('Bun', async () => {
  assert.equal(await run(where, toolFile('@oven', `bun-${here}`, 'bin/bun'), ['main.mjs']), DONE);
});

test('Deno', async () => {
  const env = { DENO_DIR: join(where, '.deno'), DENO_NO_UPDATE_CHECK: '1' };
  const args = ['run', '--allow-all', '--cached-only', 'main.mjs'];
  assert.equal(await run(where, toolFile('@deno', `${here}${libc}`, 'deno'), args, env), DONE);
});

const WORKER = `
import { VersionVector } from '${NAME}/delta';
import { VersionVector as Slim, initialize } from '${NAME}/delta/slim';
import module from './delta.wasm';

const vectors = [new Map(), new Map([['a', 1]])];
export default {
  async fetch() {
    const refused = {};
    try {
      VersionVector.compare(...vectors);
    } catch ({ code, message }) {
      Object.assign(refused, { code, message });
    }
    await initialize(module);
    return Response.json({ refused, answer: Slim.compare(...vectors) });
  },
};
`;

// It was a CompileError without a code.
test("a Cloudflare worker is told that it may compile nothing, and runs on the module's file", async (t) => {
  write(where, 'worker.mjs', WORKER);
  const { moduleBytes } = await import(pathToFileURL(join(where, 'node_modules', NAME, 'dist/delta.module.mjs')));
  writeFileSync(join(where, 'delta.wasm'), moduleBytes());
  // As wrangler bundles.
  const resolution = { conditions: ['workerd', 'worker', 'browser'], external: ['*.wasm'], absWorkingDir: where };
  const output = { bundle: true, format: 'esm', outfile: 'built.mjs', logLevel: 'error' };
  await esbuild.build({ entryPoints: ['worker.mjs'], ...resolution, ...output });
  const { Miniflare } = tool('miniflare');
  const modules = [
    { type: 'ESModule', path: join(where, 'built.mjs') },
    { type: 'CompiledWasm', path: join(where, 'delta.wasm') },
  ];
  const worker = new Miniflare({ modules, modulesRoot: where, host: '127.0.0.1', port: 0, compatibilityDate: '2026-07-01' });
  t.after(() => worker.dispose());
  const response = await worker.dispatchFetch('http://localhost/');
  const { refused, answer } = await response.json();
  assert.equal(refused.code, 'ERR_NOT_INITIALIZED');
  assert.match(refused.message, /disallowed by embedder\. docs\/bundlers\.md has the ways out/);
  assert.equal(answer, -1);
});
