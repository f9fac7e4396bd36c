// Builds the npm package into dist/: `npm run build`, or with `-- --check` to prove that the generated files are current.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleForBrowsers, bundleForNode, checkBrowserSizes } from './build/browser-bundle.mjs';
import { writeEsmEntries } from './build/esm-entries.mjs';
import { checkGenerated, TYPINGS } from './build/generated.mjs';
import { main, root, run, step } from './run/step.mjs';
import { removeUnneeded } from './build/unneeded.mjs';
import { buildWasm } from './build/wasm.mjs';

const DIST = join(root, 'dist');

/** The addon and the WASM module with their typings, the facade, the ESM entries and the files for browsers. */
export async function build() {
  await buildAddon();
  await buildWasm();
  await buildJavaScript();
  await step('size of the files for browsers', () => checkBrowserSizes(DIST));
}

/** The addon and its committed typings. */
export async function buildAddon() {
  await step('build the addon', compileAddon);
}

/** Everything but the addon: of the sources in TypeScript, and of the WASM module as it was built last. Without `checks`
 *  the types of the browser's entries, of which nothing is written, are taken as they are. */
export async function buildJavaScript({ checks = true } = {}) {
  await step('build the facade', () => buildFacade(checks));
  await step('write the ESM entries', () => writeEsmEntries(DIST));
  await step('bundle for browsers', () => bundleForBrowsers(DIST));
  await step('bundle the WASM module for Node', () => bundleForNode(DIST));
  await step('remove what no entry needs', () => removeUnneeded(DIST));
}

async function compileAddon() {
  mkdirSync(DIST, { recursive: true });
  await run('napi', ['build', '--platform', '--release', '--manifest-path', 'bindings/node/Cargo.toml',
    '--output-dir', 'dist', '--no-js', '--no-const-enum',
    '--dts', `../${TYPINGS}`,
    '--dts-header', '// @generated from bindings/node by scripts/build.mjs: do not edit.',
    // Cargo unifies features over the packages it is asked for: with this choice the addon links the very
    // dependencies that `cargo test --workspace` built. tests/tests/architecture/features.rs holds it.
    '--', '--locked', '--workspace', '--exclude', 'vectr-benches']);
}

async function buildFacade(checks) {
  for (const file of readdirSync(DIST)) {
    if (!file.endsWith('.node')) rmSync(join(DIST, file), { recursive: true });
  }
  const projects = checks ? ['tsconfig.json', 'bindings/js/tsconfig.browser.json'] : ['tsconfig.json'];
  await Promise.all(projects.map((path) => run('tsc', ['-p', path])));
  await removeComments();
  // tsc writes no output for a declaration file, yet the facade's own declarations refer to it.
  copyFileSync(join(root, TYPINGS), join(DIST, 'native/native.d.ts'));
}

// The typings keep theirs: tsc leaves out all or none.
async function removeComments() {
  // On a fresh machine this file is loaded before the packages are installed.
  const { transformSync } = await import('esbuild');
  for (const file of readdirSync(DIST, { recursive: true }).filter((name) => name.endsWith('.js'))) {
    const path = join(DIST, file);
    writeFileSync(path, transformSync(readFileSync(path, 'utf8'), { legalComments: 'none' }).code);
  }
}

await main(import.meta.url, async () => {
  await build();
  if (process.argv.includes('--check')) await step('generated files are current', checkGenerated);
});
