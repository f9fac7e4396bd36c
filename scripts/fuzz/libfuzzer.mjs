// Runs a target under libFuzzer, and reads what it says.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, StepFailure } from '../run/step.mjs';
import { fuzzFolder, keptCorpus, programOf, sizeOf, TARGETS } from './targets.mjs';

/** Fuzzes a target for so many seconds, beginning with the kept inputs, seeds, and those in `found`, where
 *  new ones go. Seeds are what honest nodes send. */
export async function fuzz(target, seconds, found) {
  // libFuzzer takes anything else for no limit.
  if (!Number.isInteger(seconds) || seconds < 1) throw new StepFailure(`"${seconds}": a target runs for whole seconds, from 1 on`);
  const [crashes, seeds] = [join(fuzzFolder(), 'crashes', target), join(fuzzFolder(), 'seeds', target)];
  for (const folder of [found, crashes, seeds]) mkdirSync(folder, { recursive: true });
  const before = readdirSync(crashes);
  const dictionary = join(root, 'fuzz/dictionaries', `${target}.dict`);
  const { code, said } = await start(target, [
    `-max_total_time=${seconds}`,
    `-max_len=${TARGETS[target].longest}`,
    // Seconds on the clock, for what never ends. What takes more than a second of the processor is found by the targets.
    '-timeout=120',
    // MB of the whole process. What one input may take is measured by the targets.
    '-rss_limit_mb=1024',
    '-print_final_stats=1',
    `-artifact_prefix=${crashes}/`,
    ...(existsSync(dictionary) ? [`-dict=${dictionary}`] : []),
    found,
    seeds,
    ...[keptCorpus(target)].filter(existsSync),
  ], { VECTR_FUZZ_SEEDS: seeds, VECTR_FUZZ_CRASHES: join(fuzzFolder(), 'crashes') });
  const executions = Number(/^stat::number_of_executed_units:\s*(\d+)/m.exec(said)?.[1] ?? lastCount(said));
  return {
    target,
    executions,
    seconds: Number(/Done \d+ runs in (\d+) second/.exec(said)?.[1] ?? seconds),
    corpus: sizeOf(found),
    crashes: readdirSync(crashes).filter((file) => !before.includes(file)).map((file) => join(crashes, file)),
    failed: code !== 0,
    said,
  };
}

/** Runs a target over each of these inputs, and verifies the stores after each. */
export function replay(target, files) {
  return start(target, ['-timeout=120', '-rss_limit_mb=1024', ...files], { VECTR_FUZZ_VERIFY: '1' });
}

/** Writes to the empty folder `into` few inputs that reach every branch which those of `folders` reach. */
export function merge(target, into, folders) {
  mkdirSync(into, { recursive: true });
  const present = folders.filter(existsSync);
  return start(target, ['-merge=1', '-use_counters=0', `-max_len=${TARGETS[target].longest}`, '-timeout=120', into, ...present]);
}

function start(target, args, environment = {}) {
  const child = spawn(programOf(target), args, {
    cwd: fuzzFolder(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RUST_BACKTRACE: '1', VECTR_FUZZ_TARGET: target, ...environment },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal, said }));
  });
}

/** What was counted last, where the run did not come to its end. */
function lastCount(said) {
  return [...said.matchAll(/^#(\d+)\s/gm)].at(-1)?.[1] ?? 0;
}
