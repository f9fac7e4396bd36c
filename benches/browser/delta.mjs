// The table of benches/node/delta.mjs for the WASM module in a real Chromium: `node benches/browser/delta.mjs`.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/install/chromium.mjs';
import { report } from '../node/support/delta-speed.mjs';

const HTML = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script type="module" src="/page.mjs"></script>
`;
const EMBEDDINGS = '/examples/data/phrases-6k-384.f32';
const MODULES = '/dist/';
const PATIENCE = 300_000;

const server = await serve({
  '/': ['text/html', HTML],
  '/page.mjs': ['text/javascript', await bundle('support/page.mjs')],
  [EMBEDDINGS]: ['application/octet-stream', ofRepository(EMBEDDINGS)],
});
try {
  const { version, result } = await measured(server.origin);
  const first = `The module is ready ${result.firstUse.toFixed(1)} ms after the first call.`;
  console.log(`1,000 changes of ${result.dimensions} dimensions; milliseconds, medians. ${first}`);
  console.log(`\n### wasm in Chromium ${version}\n\n${report(result.medians)}`);
} finally {
  server.close();
}

async function measured(origin) {
  const executablePath = await ensureChromium();
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage();
    const fault = new Promise((resolve, reject) => {
      page.on('pageerror', reject);
      page.on('response', (response) => response.ok() || reject(new Error(`no ${response.url()}`)));
    });
    await page.goto(origin);
    await Promise.race([fault, page.waitForFunction(() => globalThis.result, undefined, { timeout: PATIENCE })]);
    return { version: browser.version(), result: await page.evaluate(() => globalThis.result) };
  } finally {
    await browser.close();
  }
}

// The others are bundled into the page; the package's own files are as they are shipped.
async function bundle(page) {
  const entry = fileURLToPath(new URL(page, import.meta.url));
  const options = { bundle: true, format: 'esm', target: 'es2022', external: [`${MODULES}*`], write: false };
  const { outputFiles } = await build({ ...options, entryPoints: [entry] });
  return outputFiles[0].contents;
}

function ofRepository(path) {
  return readFileSync(new URL(`../..${path}`, import.meta.url));
}

// Isolated from other origins, a page has a clock of 5 µs; else one of 100 µs.
async function serve(files) {
  const isolation = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
  const isModule = /^\/dist\/delta\.[a-z]+\.mjs$/;
  const server = createServer(({ url }, response) => {
    const [type, body] = isModule.test(url) ? ['text/javascript', ofRepository(url)] : (files[url] ?? []);
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type ?? 'text/plain', ...isolation });
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => server.close().closeAllConnections();
  return { origin: `http://127.0.0.1:${server.address().port}/`, close };
}
