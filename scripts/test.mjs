// Everything that must hold: `npm test`. The first failing step ends the run and is named.
// VECTR_TEST_ONLY=rust runs only those steps (also: lint, fuzz, build, node, nodes, types, wasm, browser, packaging, consumers,
// examples; several with commas).
import { dirname, join } from 'node:path';
import { build } from './build.mjs';
import { fuzzBriefly } from './fuzz.mjs';
import { checkGenerated } from './build/generated.mjs';
import { ensureChromium } from './install/chromium.mjs';
import { installConsumers } from './install/consumers.mjs';
import { ensureNode } from './install/node-versions.mjs';
import { ensureNetworkTools, ensurePrometheusParser } from './install/test-tools.mjs';
import { cargo, targetFolder } from './run/cargo.mjs';
import { filesUnder } from './run/files.mjs';
import { soak } from './run/hostile.mjs';
import { lints } from './run/lints.mjs';
import { runNodeTests, runNodeTestsOf, testFiles } from './run/node-tests.mjs';
import { buildRustTests, runRustTests } from './run/rust-tests.mjs';
import { main, run, sideBySide, step, StepFailure } from './run/step.mjs';
import { setup } from './setup.mjs';

/** The other versions that the package is promised for. */
const OTHER_NODES = [22, 24];
const THE_SAME_ON_ALL =
  /typings|snapshots|killed|damage|documents|docs|command|environment|trust|rights|membership|resumption|fallback|strategies|audit|hostile/;

/** Runs all steps, or those of the groups that `only` names. */
export async function test(only) {
  const all = stages();
  const stage = choose(all, only);
  await setup();
  for (const { lanes, yielding } of stage) {
    if (lanes.length > 1) await sideBySide(lanes, yielding);
    else for (const { name, work } of lanes[0]) await step(name, work);
  }
  const chosen = stepsOf(stage);
  const left = stepsOf(all).filter((one) => !chosen.includes(one)).map((one) => one.name);
  if (left.length > 0) console.log(`\nnot asked for: ${left.join(', ')}`);
  console.log(`\nsteps: ${chosen.length} passed, 0 failed`);
}

/** One after another; the lanes of each run side by side. */
function stages() {
  return [
    one(...lints),
    one(
      { group: 'rust', name: 'network tools', work: ensureNetworkTools },
      { group: 'rust', name: 'Rust test programs', work: buildRustTests },
      // Hostile clients by turns, for half a second each. `npm run dev -- soak` takes half an hour.
      { group: 'rust', name: 'short soak', work: () => soak(20) },
    ),
    // The tests wait most of the time; compilers and fuzzers take what is left.
    {
      yielding: true,
      lanes: [
        [{ group: 'rust', name: 'Rust tests', work: runRustTests }],
        [
          { group: 'rust', name: 'crates as they are published', work: () => cargo(published()) },
          ...['sqlx', 'rusqlite'].map((name) => ({
            group: 'rust',
            name: `crates beside ${name}`,
            work: () => checkConsumer(`tests/consumers/${name}/Cargo.toml`),
          })),
          // With the features of the tests, so that their dependencies serve.
          { group: 'fuzz', name: 'fuzz targets', work: () => fuzzBriefly(Number(process.env.VECTR_FUZZ_SECONDS ?? 30)) },
          { group: 'build', name: 'package', work: build },
          { group: 'build', name: 'generated files are current', work: checkGenerated },
        ],
      ],
    },
    // Before the tests: several of their processes would install them at once.
    one(
      { group: 'node', name: 'Prometheus parser', work: ensurePrometheusParser },
      { group: 'browser', name: 'Chromium', work: ensureChromium },
      { group: 'consumers', name: 'packages of consumers', work: installConsumers },
    ),
    {
      lanes: [
        [
          { group: 'node', name: 'Node tests', work: () => nodeTests('tests/node') },
          { group: 'nodes', name: `Node tests on Node ${OTHER_NODES.join(' and ')}`, work: testOnOtherNodes },
        ],
        [
          { group: 'types', name: 'type tests', work: () => run('tsc', ['-p', 'tests/types', '--noEmit']) },
          { group: 'types', name: 'types of examples', work: () => run('tsc', ['-p', 'examples/source-documents']) },
          { group: 'wasm', name: 'WASM tests in Node', work: () => nodeTests('tests/wasm') },
          { group: 'browser', name: 'tests in Chromium', work: () => nodeTests('tests/browser') },
          { group: 'packaging', name: 'packed, installed and bundled', work: () => nodeTests('tests/packaging') },
          // One file at a time: each bundler takes all cores.
          { group: 'consumers', name: 'frameworks and runtimes', work: () => runNodeTests(testFiles('tests/consumers'), 1) },
          // The demo is one of them.
          ...filesUnder('examples', (path) => /^examples\/[^/]+\/main\.mjs$/.test(path)).map((path) => ({
            group: 'examples',
            name: path,
            work: () => run('node', [path]),
          })),
        ],
      ],
    },
  ];
}

function one(...steps) {
  return { lanes: [steps] };
}

function stepsOf(stages) {
  return stages.flatMap(({ lanes }) => lanes.flat());
}

// Packed, not built: what they contain was built above. Those that no registry gets are left out.
function published() {
  return [
    'package', '--locked', '--no-verify', '--allow-dirty', '--quiet', '--workspace',
    ...['vectr-benches', 'vectr-tests', 'vectr-sim', 'vectr-fuzz', 'vectr-node', 'vectr-wasm', 'wasm-bind'].flatMap((name) => ['--exclude', name]),
  ];
}

// One version of SQLite is linked into a program, and each library asks for another: whether they agree is only known once
// somebody resolves both, and whether the code takes that version once it is compiled.
async function checkConsumer(manifest) {
  await cargo(['update', '--manifest-path', manifest]);
  await cargo(['check', '--manifest-path', manifest, '--target-dir', join(targetFolder(), 'consumers')]);
}

function nodeTests(folder) {
  return runNodeTests(testFiles(folder));
}

// What a version of Node can change is how the addon lives in its process: calls, events, threads, collection. Left out are
// the typings, and files whose subject is the same on all versions, as the core decides it.
async function testOnOtherNodes() {
  const nodes = [];
  for (const major of OTHER_NODES) {
    const node = await ensureNode(major);
    if (node) nodes.push(node);
    else console.log(`left out: npm carries Node ${major} for Linux on x64`);
  }
  const files = testFiles('tests/node').filter((path) => !THE_SAME_ON_ALL.test(path));
  // Side by side: one file at a time leaves a core idle.
  const ended = await Promise.allSettled(nodes.map((node) => runNodeTestsOf(dirname(node), files)));
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

function choose(stages, only) {
  if (!only) return stages;
  const groups = new Set(stepsOf(stages).map((step) => step.group));
  const asked = only.split(',');
  const unknown = asked.find((group) => !groups.has(group));
  if (unknown) throw new StepFailure(`VECTR_TEST_ONLY=${only}: "${unknown}" is none of ${[...groups].join(', ')}`);
  return stages
    .map((stage) => ({ ...stage, lanes: stage.lanes.map((lane) => lane.filter((step) => asked.includes(step.group))) }))
    .map((stage) => ({ ...stage, lanes: stage.lanes.filter((lane) => lane.length > 0) }))
    .filter((stage) => stage.lanes.length > 0);
}

await main(import.meta.url, () => test(process.env.VECTR_TEST_ONLY));
