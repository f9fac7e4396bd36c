// Everything that must hold: `npm test`. The first failing step ends the run and is named.
// VECTR_TEST_ONLY=rust runs only those steps (also: build, node, types, wasm, browser, packaging, examples; several with
// commas).
import { build } from './build.mjs';
import { cargo } from './run/cargo.mjs';
import { ensureChromium } from './install/chromium.mjs';
import { filesUnder } from './run/files.mjs';
import { checkGenerated } from './build/generated.mjs';
import { setup } from './setup.mjs';
import { main, run, step, StepFailure } from './run/step.mjs';
import { ensureNetworkTools, ensurePrometheusParser } from './install/test-tools.mjs';

await main(import.meta.url, async () => {
  const steps = allSteps();
  const chosen = choose(steps, process.env.VECTR_TEST_ONLY);
  await setup();
  for (const { name, work } of chosen) await step(name, work);
  const left = steps.filter((s) => !chosen.includes(s)).map((s) => s.name);
  if (left.length > 0) console.log(`\nnot asked for: ${left.join(', ')}`);
  console.log(`\nsteps: ${chosen.length} passed, 0 failed`);
});

function allSteps() {
  return [
    // Shown output: how often the simulator's faults struck, and a line for each killed process.
    { group: 'rust', name: 'Rust formatting', work: () => cargo(['fmt', '--all', '--check']) },
    {
      group: 'rust',
      name: 'Rust lints',
      work: () => cargo(['clippy', '--locked', '--release', '--workspace', '--all-targets', '--', '-D', 'warnings']),
    },
    { group: 'rust', name: 'network tools', work: ensureNetworkTools },
    { group: 'rust', name: 'Rust tests', work: () => cargo(['test', '--locked', '--release', '--workspace', '--', '--show-output']) },
    {
      group: 'rust',
      name: 'Rust tests over TCP',
      work: () => cargo(overTcp(), { VECTR_TEST_CARRIER: 'tcp' }),
    },
    { group: 'rust', name: 'crates as they are published', work: () => cargo(published()) },
    { group: 'build', name: 'package', work: build },
    { group: 'build', name: 'generated files are current', work: checkGenerated },
    { group: 'node', name: 'Prometheus parser', work: ensurePrometheusParser },
    { group: 'node', name: 'Node tests', work: () => nodeTests('tests/node') },
    { group: 'types', name: 'type tests', work: () => run('tsc', ['-p', 'tests/types', '--noEmit']) },
    { group: 'types', name: 'types of examples', work: () => run('tsc', ['-p', 'examples/source-documents']) },
    { group: 'wasm', name: 'WASM tests in Node', work: () => nodeTests('tests/wasm') },
    // Before the tests: several of their processes would install it at once.
    { group: 'browser', name: 'Chromium', work: ensureChromium },
    { group: 'browser', name: 'tests in Chromium', work: () => nodeTests('tests/browser') },
    { group: 'packaging', name: 'packed, installed and bundled', work: () => nodeTests('tests/packaging') },
    // The demo is one of them.
    ...filesUnder('examples', (path) => /^examples\/[^/]+\/main\.mjs$/.test(path)).map((path) => ({
      group: 'examples',
      name: path,
      work: () => run('node', [path]),
    })),
  ];
}

// Streams, messages, trust, the pool and syncs are the same over TCP. Left out: what only QUIC has (resumed sessions, silence
// of a socket that is gone), and tests whose stranger speaks QUIC by hand.
function overTcp() {
  return [
    // The whole workspace, so that nothing is built again with other features.
    'test', '--locked', '--release', '--workspace',
    ...[
      'streams', 'messages', 'messages_answers', 'pool', 'trust', 'trust_authority', 'trust_secret',
      'two_nodes', 'concurrent_edits', 'live', 'lives', 'rights', 'server', 'sessions',
    ].flatMap((name) => ['--test', name]),
    '--',
    ...[
      'a_silent_peer', 'resum', 'early_data', 'bare_client', 'unknown_kind', 'unknown_protocol',
      'outsider', 'proven_nothing', 'passed_on', 'recorded', 'reflected',
    ].flatMap((name) => ['--skip', name]),
  ];
}

// Packed, not built: what they contain was built above. Those that no registry gets are left out.
function published() {
  return [
    'package', '--locked', '--no-verify', '--allow-dirty', '--quiet', '--workspace',
    ...['vectr-benches', 'vectr-tests', 'vectr-sim', 'vectr-node', 'vectr-wasm', 'wasm-bind'].flatMap((name) => ['--exclude', name]),
  ];
}

function nodeTests(folder) {
  // Node 20 takes no patterns, and newer ones no folders: name the files.
  const files = filesUnder(folder, (path) => path.endsWith('.test.mjs'));
  return run('node', ['--expose-gc', '--test', '--test-reporter=spec', ...files]);
}

function choose(steps, only) {
  if (!only) return steps;
  const groups = new Set(steps.map((s) => s.group));
  const unknown = only.split(',').find((group) => !groups.has(group));
  if (unknown) throw new StepFailure(`VECTR_TEST_ONLY=${only}: "${unknown}" is none of ${[...groups].join(', ')}`);
  return steps.filter((s) => only.split(',').includes(s.group));
}
