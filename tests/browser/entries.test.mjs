// The browser's entries of the built package pass the spec in a real Chromium: in a page, in a worker, and slim.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { moduleBytes } from '../../dist/delta.module.mjs';
import { testsOfPage } from './browser.mjs';
import { serve } from './server.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const written = mkdtempSync(join(tmpdir(), 'vectr-wasm-'));

let server;
before(async () => {
  // As an edge worker has it that takes nothing but a .wasm file.
  writeFileSync(join(written, 'delta.wasm'), moduleBytes());
  const folders = { '/dist/': 'dist', '/spec/': 'tests/spec', '/browser/': 'tests/browser' };
  const served = Object.entries(folders).map(([prefix, path]) => [prefix, join(root, path)]);
  server = await serve({ ...Object.fromEntries(served), '/written/': written });
});
after(async () => {
  await server.close();
  rmSync(written, { recursive: true });
});

const page = (script, query = '') => `${server.origin}/page.html?script=/browser/pages/${script}${query}`;

test('the module with the WebAssembly inside passes the spec in a page', (t) => testsOfPage(t, page('module.mjs')));

test('it passes the spec in a module worker', (t) => testsOfPage(t, page('worker-page.mjs')));

// It was a CompileError without a code.
test('a policy without wasm-unsafe-eval is an error with a code', (t) =>
  testsOfPage(t, page('refused.mjs', `&policy=${encodeURIComponent("script-src 'self'")}`), /Content Security Policy/));

test('a policy with wasm-unsafe-eval is enough for the spec', (t) =>
  testsOfPage(t, page('module.mjs', `&policy=${encodeURIComponent("script-src 'self' 'wasm-unsafe-eval'")}`)));

for (const source of ['moduleBytes', 'URL', 'string', 'Response', 'Uint8Array', 'ArrayBuffer', 'Module']) {
  test(`the slim module, initialized with ${source}, passes the spec in a page`, (t) =>
    testsOfPage(t, page('slim.mjs', `&source=${source}`)));
}
