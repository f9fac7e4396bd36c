// The test programs of the workspace. Cargo runs one after another; they wait more than they compute, so here several run
// at a time.
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { cargo, cargoOutput } from './cargo.mjs';
import { runBeside, StepFailure } from './step.mjs';

/** The programs that take longest, in the order in which they begin. */
const LONGEST = ['system', 'sync', 'sync over TCP', 'sim', 'core', 'transport', 'transport over TCP'];

/** The programs that run a second time, over TCP. */
const OVER_TCP = ['sync', 'transport'];

/** Builds all test programs. */
export function buildRustTests() {
  return cargo(['test', '--locked', '--release', '--workspace', '--no-run']);
}

/** Runs them, some also over TCP, and then what stands in documentation. Shown output: how often the simulator's faults
 *  struck, and a line for each killed process. */
export async function runRustTests() {
  const programs = await testPrograms();
  const jobs = programs.map((program) => ({ ...program, args: ['--show-output'], env: {} }));
  for (const { name, ...program } of programs.filter((one) => OVER_TCP.includes(one.name)))
    jobs.push({ ...program, name: `${name} over TCP`, args: skippedOverTcp(), env: { VECTR_TEST_CARRIER: 'tcp' } });
  const rank = ({ name }) => (LONGEST.includes(name) ? LONGEST.indexOf(name) : LONGEST.length);
  const waiting = jobs.sort((one, other) => rank(one) - rank(other));
  const failed = [];
  const worker = async () => {
    for (let job = waiting.shift(); job && failed.length === 0; job = waiting.shift()) {
      const { name, program, folder, args, env } = job;
      await runBeside(program, args, { ...env, CARGO_MANIFEST_DIR: folder }, folder).catch(() => failed.push(name));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
  if (failed.length > 0) throw new StepFailure(`Rust tests failed: ${failed.join(', ')}`);
  await cargo(['test', '--locked', '--release', '--workspace', '--doc']);
}

/** Each program with its name and the folder of its crate. */
async function testPrograms() {
  const printed = await cargoOutput(['test', '--locked', '--release', '--workspace', '--no-run', '--message-format=json-render-diagnostics']);
  const built = printed.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const programs = built
    .filter(({ reason, profile, executable }) => reason === 'compiler-artifact' && profile.test && executable)
    .map(({ target, executable, manifest_path }) => ({ name: target.name, program: executable, folder: dirname(manifest_path) }));
  if (programs.length === 0) throw new StepFailure('cargo built no test program');
  return programs;
}

// Streams, messages, trust, the pool and syncs are the same over TCP. Left out: what only QUIC has (resumed sessions, silence
// of a socket that is gone), tests whose stranger speaks QUIC by hand, and modules that choose the carrier themselves. A
// module that is new runs until it is named here.
function skippedOverTcp() {
  const modules = [
    'coordinator', 'early_data', 'fallback', 'fallback_hostile', 'fallback_proofs', 'identity', 'limits', 'messages_hostile',
    'outsider', 'restarts',
  ];
  const tests = [
    'a_silent_peer', 'resum', 'early_data', 'bare_client', 'unknown_kind', 'unknown_protocol',
    'outsider', 'sessions_of_its_shard_only', 'proven_nothing', 'passed_on', 'recorded', 'reflected',
  ];
  return [...modules.map((module) => `${module}::`), ...tests].flatMap((name) => ['--skip', name]);
}
