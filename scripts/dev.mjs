// The loop: one verb for each thing that is done again and again while a change is made. `npm run dev` lists them.
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buildAddon, buildJavaScript } from './build.mjs';
import { buildWasm, wasmPackage } from './build/wasm.mjs';
import { installPackages } from './install/npm-packages.mjs';
import { cargo } from './run/cargo.mjs';
import { newest } from './run/files.mjs';
import { hostileClients, soak } from './run/hostile.mjs';
import { documentation, lints } from './run/lints.mjs';
import { runNodeTests, testFiles } from './run/node-tests.mjs';
import { main, root, step, StepFailure } from './run/step.mjs';
import { test } from './test.mjs';

const VERBS = {
  ready: { usage: 'ready', does: 'what CI runs, but for fuzzing, the browser, packaging, consumers, other Nodes and examples', work: ready },
  rust: { usage: 'rust [CRATE] [FILTER]', does: 'Rust tests: of one crate, of those whose name has FILTER', work: rust },
  node: { usage: 'node FILE [NAME]', does: 'one Node test file, after building what has changed', work: node },
  odd: { usage: 'odd [CALLS] [SEED]', does: 'odd values at every argument of every call, 100,000 calls by default', work: odd },
  hostile: { usage: 'hostile [SECONDS] [NAME]', does: 'hostile clients against vectr serve, a minute each by default', work: hostile },
  soak: { usage: 'soak [SECONDS]', does: 'the same by turns, with peers that come and go: half an hour by default', work: longSoak },
  wasm: { usage: 'wasm', does: 'builds the WASM module and runs its tests', work: wasm },
  lint: { usage: 'lint', does: 'formatting, spelling, licences, clippy and rustdoc', work: lint },
  doc: { usage: 'doc', does: 'the documentation of the crates, with warnings denied', work: () => step('doc', documentation) },
};

async function ready() {
  await test('lint,rust,build,node,types,wasm');
}

async function rust(crate, filter) {
  buildIncrementally();
  const selection = crate ? ['-p', packageName(crate)] : ['--workspace'];
  await step('Rust tests', () => cargo(['test', '--locked', '--release', ...selection, ...(filter ? ['--', filter] : [])]));
}

async function node(file, name) {
  if (!file) throw new StepFailure(usage());
  const path = testFiles('tests').find((one) => one === file || one.endsWith(`/${file}`) || one.endsWith(`/${file}.test.mjs`));
  if (!path) throw new StepFailure(`no test file below tests/ is called ${file}`);
  buildIncrementally();
  await installPackages();
  await buildChanged(path.startsWith('tests/wasm/'));
  await step(path, () => runNodeTests(name ? ['--test-name-pattern', name, path] : [path]));
}

async function odd(calls = '100000', seed = '1') {
  process.env.VECTR_ODD_CALLS = calls;
  process.env.VECTR_ODD_SEED = seed;
  await node('odd-values');
}

async function hostile(seconds = '60', name = '') {
  await step('hostile clients', () => hostileClients(seconds, name));
}

async function longSoak(seconds = '1800') {
  await step('soak', () => soak(seconds));
}

async function wasm() {
  buildIncrementally();
  await installPackages();
  await buildWasm();
  if (!addon()) await buildAddon();
  await buildJavaScript();
  await step('WASM tests in Node', () => runNodeTests(testFiles('tests/wasm')));
}

async function lint() {
  for (const { name, work } of lints) await step(name, work);
}

/** Builds what is older than its sources: after a change in TypeScript no Rust is compiled. */
async function buildChanged(needsWasm) {
  const isOld = (file, ...sources) => !file || !existsSync(join(root, file)) || newest(file) < newest(...sources);
  if (isOld(addon(), 'crates', 'bindings/node', 'Cargo.toml', 'Cargo.lock')) await buildAddon();
  const module = relative(root, wasmPackage.module());
  const isMissing = !existsSync(wasmPackage.module());
  if (isMissing || (needsWasm && isOld(module, 'crates/delta', 'bindings/wasm', 'tools', 'Cargo.lock'))) await buildWasm();
  if (isOld('dist/index.mjs', 'bindings/js', 'package.json', 'scripts/build', module)) await buildJavaScript({ checks: false });
}

function addon() {
  const files = existsSync(join(root, 'dist')) ? readdirSync(join(root, 'dist')) : [];
  const found = files.find((file) => file.endsWith('.node'));
  return found && `dist/${found}`;
}

/** What Cargo calls a crate that people call by its folder. */
function packageName(crate) {
  return /^(vectr-|wasm-bind$)/.test(crate) ? crate : `vectr-${crate}`;
}

/** Recompiles the changed part of a crate only. CI has nothing to reuse, and does without the files for it. */
function buildIncrementally() {
  process.env.CARGO_INCREMENTAL ??= '1';
}

function usage() {
  const lines = Object.values(VERBS).map(({ usage, does }) => `  npm run dev -- ${usage.padEnd(26)}${does}`);
  return ['give a verb:', ...lines].join('\n');
}

await main(import.meta.url, async () => {
  const [name, ...args] = process.argv.slice(2);
  const verb = Object.hasOwn(VERBS, name ?? '') ? VERBS[name] : null;
  if (!verb) throw new StepFailure(usage());
  await verb.work(...args);
});
