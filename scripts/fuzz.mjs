// Coverage-guided fuzzing: `npm run fuzz -- HOURS`, or a target and what to do with it. Without arguments it says how.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fuzz, merge, replay } from './fuzz/libfuzzer.mjs';
import { buildTargets, canFuzz, foundCorpus, fuzzFolder, keptCorpus, sizeOf, TARGETS, targetNamed } from './fuzz/targets.mjs';
import { checkCxx, checkToolchain } from './install/toolchain.mjs';
import { main, step, StepFailure } from './run/step.mjs';

const USAGE = `npm run fuzz -- HOURS            all targets by turns, two at a time
npm run fuzz -- TARGET 60s       one target for 60 seconds (also 10m, 2h)
npm run fuzz -- TARGET FILE...   what these inputs do
npm run fuzz -- keep [TARGET]    takes the fewest inputs that cover as much into fuzz/corpora
targets: ${Object.keys(TARGETS).join(', ')}`;

/** How many targets run at a time. */
const AT_A_TIME = Math.max(1, Math.trunc(Number(process.env.VECTR_FUZZ_JOBS ?? 2)) || 1);
/** As `AT_A_TIME`, where each runs for a minute. */
const BRIEFLY_AT_A_TIME = 5;
/** The most inputs of a target in the repository, and of how many bytes. */
const [MOST_FILES, MOST_BYTES] = [200, 40_000];
/** The turn of a target in a long run, in seconds. */
const TURN = 300;

/** Each target for so many seconds, from the kept inputs on, more at a time than there are cores: most of what a short run
 *  finds, the kept inputs reach. Leaves nothing in the worktree. */
export async function fuzzBriefly(seconds) {
  if (!canFuzz()) return console.log('left out: the fuzz targets are built on Linux');
  if (seconds === 0) return console.log('left out, as VECTR_FUZZ_SECONDS says');
  await prepare();
  const scratch = mkdtempSync(join(tmpdir(), 'vectr-fuzz-'));
  try {
    const results = await inTurns(Object.keys(TARGETS), (target) => fuzz(target, seconds, join(scratch, target)), BRIEFLY_AT_A_TIME);
    report(results);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function fuzzForHours(hours) {
  await prepare();
  const targets = Object.keys(TARGETS);
  const turns = Math.max(1, Math.round((hours * 3600 * AT_A_TIME) / (targets.length * TURN)));
  const seconds = Math.max(1, Math.round((hours * 3600 * AT_A_TIME) / (targets.length * turns)));
  const totals = new Map();
  for (let turn = 0; turn < turns; turn++) {
    for (const one of await inTurns(targets, (target) => fuzz(target, seconds, foundCorpus(target)))) {
      const total = totals.get(one.target);
      totals.set(one.target, total ? joined(total, one) : one);
    }
    table([...totals.values()]);
  }
  report([...totals.values()]);
  console.log('\n`npm run fuzz -- keep` takes what is worth it of the new inputs into fuzz/corpora.');
}

async function fuzzOne(target, seconds) {
  await prepare();
  report([await fuzz(target, seconds, foundCorpus(target))]);
}

async function replayFiles(target, files) {
  // libFuzzer takes a folder for a corpus, and goes on for ever.
  const other = files.find((file) => !statSync(file, { throwIfNoEntry: false })?.isFile());
  if (other) throw new StepFailure(`"${other}" is neither a file nor a time such as 60s, 10m or 2h`);
  await prepare();
  const { code, said } = await replay(target, files.map((file) => resolve(file)));
  console.log(said);
  if (code !== 0) throw new StepFailure(`${target}: an input fails`);
}

/** Replaces the kept inputs by few that reach what they and those that were found do. Of more than there is room for, those
 *  of all sizes stay. */
async function keep(targets) {
  await prepare();
  for (const target of targets) {
    const folder = join(fuzzFolder(), 'merge', target);
    rmSync(folder, { recursive: true, force: true });
    const { code, said } = await merge(target, folder, [keptCorpus(target), foundCorpus(target)]);
    if (code !== 0) throw new StepFailure(`${target}: ${said.slice(-2000)}`);
    thin(folder);
    // A finding stays, whether or not others cover as much.
    const findings = existsSync(keptCorpus(target)) ? readdirSync(keptCorpus(target)).filter((file) => file.startsWith('finding-')) : [];
    for (const file of findings) renameSync(join(keptCorpus(target), file), join(folder, file));
    rmSync(keptCorpus(target), { recursive: true, force: true });
    mkdirSync(join(keptCorpus(target), '..'), { recursive: true });
    cpSync(folder, keptCorpus(target), { recursive: true });
    const { files, bytes } = sizeOf(keptCorpus(target));
    console.log(`${target}: ${files} inputs, ${bytes} bytes`);
  }
}

/** Removes inputs of all sizes evenly, until the rest has room in the repository. */
function thin(folder) {
  const bySize = readdirSync(folder).map((file) => ({ path: join(folder, file), bytes: statSync(join(folder, file)).size }));
  bySize.sort((one, other) => one.bytes - other.bytes);
  const bytes = bySize.reduce((sum, file) => sum + file.bytes, 0);
  const every = Math.ceil(Math.max(bySize.length / MOST_FILES, bytes / MOST_BYTES));
  for (const [at, { path }] of bySize.entries()) if (at % every !== 0) rmSync(path);
}

async function prepare() {
  if (!canFuzz()) throw new StepFailure('the fuzz targets are built on Linux');
  mkdirSync(fuzzFolder(), { recursive: true });
  await step('toolchain', () => (checkToolchain(), checkCxx()));
  await step('fuzz targets', buildTargets);
}

/** Runs `work` for each target, so many at a time. */
async function inTurns(targets, work, atATime = AT_A_TIME) {
  const [waiting, done] = [[...targets], []];
  const worker = async () => {
    for (let target = waiting.shift(); target; target = waiting.shift()) {
      const result = await work(target);
      console.log(line(result));
      done.push(result);
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return targets.map((target) => done.find((result) => result.target === target));
}

function joined(total, one) {
  return {
    ...one,
    executions: total.executions + one.executions,
    seconds: total.seconds + one.seconds,
    crashes: [...total.crashes, ...one.crashes],
    failed: total.failed || one.failed,
    said: one.failed ? one.said : total.said,
  };
}

function table(results) {
  console.log(`\n${results.map(line).join('\n')}`);
}

function line({ target, executions, seconds, corpus, crashes }) {
  const rate = Math.round(executions / Math.max(1, seconds));
  return `${target.padEnd(8)} ${executions} executions, ${rate}/s, ${corpus.files} new inputs of ${corpus.bytes} bytes, ${crashes.length} crashes`;
}

/** Prints the results; fails, and says how to see it again, where a target has failed. */
function report(results) {
  table(results);
  const failed = results.filter((result) => result.failed);
  if (failed.length === 0) return;
  for (const { target, said, crashes } of failed) {
    console.log(`\n== ${target}\n${said.slice(-6000)}`);
    for (const file of crashes) console.log(`again: npm run fuzz -- ${target} ${file}`);
  }
  throw new StepFailure(`${failed.map((result) => result.target).join(', ')}: a finding. Fix its cause, and keep the input as fuzz/corpora/TARGET/finding-NAME`);
}

const UNITS = { s: 1, m: 60, h: 3600 };

await main(import.meta.url, async () => {
  const [first, ...rest] = process.argv.slice(2);
  const duration = /^(\d+)([smh])$/.exec(rest[0] ?? '');
  if (first === 'keep') return keep(rest.length > 0 ? rest.map(targetNamed) : Object.keys(TARGETS));
  if (Number(first) > 0) return fuzzForHours(Number(first));
  if (!first || rest.length === 0) throw new StepFailure(USAGE);
  if (duration) return fuzzOne(targetNamed(first), Number(duration[1]) * UNITS[duration[2]]);
  return replayFiles(targetNamed(first), rest);
});
