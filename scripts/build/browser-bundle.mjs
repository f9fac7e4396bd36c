// The files with the WASM module. delta.core.mjs: the facade and the module's JavaScript. delta.module.mjs: the WASM,
// inlined. delta.browser.mjs: both. delta.slim.mjs: the core alone. native/wasm-backend.js: the WASM and its JavaScript
// as CommonJS, for a Node without the addon.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { inlined } from './inlined.mjs';
import { root, StepFailure } from '../run/step.mjs';
import { wasmPackage } from './wasm.mjs';

/** The most that the WASM and its JavaScript may have, gzipped. */
const LIMIT = 60 * 1024;
const SOURCES = join(root, 'bindings/js/src');
const FILES = ['delta.browser.mjs', 'delta.core.mjs', 'delta.module.mjs'];

/** Writes the files into `dist`. */
export async function bundleForBrowsers(dist) {
  // On a fresh machine this file is loaded before the packages are installed.
  const { build, transformSync } = await import('esbuild');
  const { code } = transformSync(inlined(readFileSync(wasmPackage.module())), { minify: true, format: 'esm' });
  writeFileSync(join(dist, 'delta.module.mjs'), code);
  copyFileSync(join(SOURCES, 'native/wasm-bytes.d.ts'), join(dist, 'delta.module.d.mts'));
  await build({
    entryPoints: { 'delta.browser': join(SOURCES, 'delta-browser.ts'), 'delta.slim': join(SOURCES, 'delta-slim.ts') },
    outdir: dist,
    outExtension: { '.js': '.mjs' },
    // What the two share is one file.
    splitting: true,
    chunkNames: 'delta.core',
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    // A library prints nothing: wasm-bindgen would name parameters that we do not use, and a missing MIME type.
    drop: ['console'],
    logLevel: 'warning',
    plugins: [module],
  });
}

/** Writes the WASM module for Node into `dist`. */
export async function bundleForNode(dist) {
  const { build } = await import('esbuild');
  await build({
    stdin: { contents: wasmBackend(readFileSync(wasmPackage.module())), resolveDir: dist },
    outfile: join(dist, 'native/wasm-backend.js'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    minify: true,
    legalComments: 'none',
    drop: ['console'],
    logLevel: 'warning',
    plugins: [module],
  });
}

// Compressed inside: the package has the module twice.
function wasmBackend(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const text = brotliCompressSync(bytes, { params }).toString('base64');
  return `
import * as glue from './native/wasm';
const { brotliDecompressSync } = process.getBuiltinModule?.('node:zlib') ?? require('node:zlib');
export function wasmBackend() {
  glue.initSync({ module: brotliDecompressSync(Buffer.from('${text}', 'base64')) });
  return glue;
}
`;
}

/** Prints what a page loads of `dist`, and fails where it is too large. */
export function checkBrowserSizes(dist) {
  const sizes = FILES.map((file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length);
  const size = sizes.reduce((sum, one) => sum + one, 0);
  const shown = `${FILES.join(' + ')}: ${kilobytes(size)} KB gzipped of at most ${kilobytes(LIMIT)}`;
  if (size > LIMIT) throw new StepFailure(`${shown} (${sizes.join(' + ')} bytes): see what they hold, and take it out`);
  console.log(shown);
}

/** What stands for `native/wasm` and `native/wasm-bytes`, of which the sources hold only the typings. */
const module = {
  name: 'wasm module',
  setup({ onResolve }) {
    onResolve({ filter: /\/native\/wasm$/ }, () => ({ path: wasmPackage.glue() }));
    onResolve({ filter: /\/native\/wasm-bytes$/ }, () => ({ path: './delta.module.mjs', external: true }));
  },
};

function kilobytes(bytes) {
  return (bytes / 1024).toFixed(1);
}
