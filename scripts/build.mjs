// Builds the npm package into dist/: `npm run build`, or with `-- --check` to prove that the generated files are current.
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeEsmEntries } from './esm-entries.mjs';
import { checkGenerated, TYPINGS } from './generated.mjs';
import { main, root, run, step } from './step.mjs';

const DIST = join(root, 'dist');

/** The addon and its typings, the facade, and the ESM entries. */
export async function build() {
  await step('build the addon', buildAddon);
  await step('build the facade', buildFacade);
  await step('write the ESM entries', () => writeEsmEntries(DIST));
}

async function buildAddon() {
  mkdirSync(DIST, { recursive: true });
  await run('napi', ['build', '--platform', '--release', '--manifest-path', 'bindings/node/Cargo.toml',
    '--output-dir', 'dist', '--no-js', '--no-const-enum',
    '--dts', `../${TYPINGS}`,
    '--dts-header', '// @generated from bindings/node by scripts/build.mjs: do not edit.',
    // Cargo unifies features over the packages it is asked for: with this choice the addon links the very
    // dependencies that `cargo test --workspace` built. tests/tests/architecture/features.rs holds it.
    '--', '--locked', '--workspace', '--exclude', 'vectr-benches']);
}

async function buildFacade() {
  for (const file of readdirSync(DIST)) {
    if (!file.endsWith('.node')) rmSync(join(DIST, file), { recursive: true });
  }
  await run('tsc', ['-p', 'tsconfig.json']);
  // tsc writes no output for a declaration file, yet the facade's own declarations refer to it.
  copyFileSync(join(root, TYPINGS), join(DIST, 'native.d.ts'));
}

await main(import.meta.url, async () => {
  await build();
  if (process.argv.includes('--check')) await step('generated files are current', checkGenerated);
});
