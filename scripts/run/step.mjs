// Named steps of a script, one after another or side by side: each says what it does, and how long it took.
import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The lane that a step runs in, if it runs beside others: where its output goes, and whether it yields the processor. */
const lane = new AsyncLocalStorage();

/** A step that failed for a reason its own output explains: printed without a stack. */
export class StepFailure extends Error {}

/** Runs `work` between two lines that name it; a failure names it too and is passed on. In a lane, what its commands print
 *  comes whole, once it has ended. */
export async function step(name, work) {
  const output = lane.getStore() && [];
  console.log(`\n== ${name}`);
  const started = performance.now();
  try {
    const value = await (output ? lane.run({ ...lane.getStore(), output }, work) : work());
    tell(output, `== ${name}: done in ${seconds(started)} s`);
    return value;
  } catch (error) {
    tell(output, `== ${name}: FAILED after ${seconds(started)} s`);
    throw error;
  }
}

/** Runs lanes of steps side by side, the steps of each one after another. Those after the first yield the processor to it
 *  if `yielding`. After a failure no further step begins. */
export async function sideBySide(lanes, yielding = false) {
  const state = { failed: false };
  const works = lanes.map((steps) => async () => {
    for (const { name, work } of steps) {
      if (state.failed) return;
      await step(name, work).catch((error) => {
        state.failed = true;
        throw error;
      });
    }
  });
  const ended = await Promise.allSettled(works.map((work, at) => lane.run({ output: [], yields: yielding && at > 0 }, work)));
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Prints the command, runs it in the project's root with its output passed through, and fails unless it exits with 0. */
export function run(command, args, env = {}) {
  if (lane.getStore()) return collect(lane.getStore().output, command, args, env);
  console.log(`$ ${[command, ...args].join(' ')}`);
  return ended(start(command, args, env, 'inherit'), command, args);
}

/** As `run`, beside others: the output comes whole, once the command has ended. */
export async function runBeside(command, args, env = {}, folder = root) {
  const output = [];
  try {
    await collect(output, command, args, env, folder);
  } finally {
    process.stdout.write(output.join(''));
  }
}

/** What a command prints on its standard output; its errors are passed through. */
export async function outputOf(command, args, env = {}) {
  const child = start(command, args, env, ['ignore', 'pipe', 'inherit']);
  const output = [];
  child.stdout.setEncoding('utf8').on('data', (text) => output.push(text));
  await ended(child, command, args);
  return output.join('');
}

async function collect(output, command, args, env, folder) {
  output.push(`$ ${[command, ...args].join(' ')}\n`);
  const child = start(command, args, env, ['ignore', 'pipe', 'pipe'], folder);
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => output.push(text));
  await ended(child, command, args);
}

function tell(output, line) {
  if (output) process.stdout.write(`${output.join('')}${line}\n`);
  else console.log(line);
}

function start(command, args, env, stdio, folder = root) {
  const child = spawn(command, args, {
    cwd: folder,
    stdio,
    env: { ...process.env, PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter), ...env },
    // npm's commands are .cmd files on Windows, which only a shell can start.
    shell: process.platform === 'win32',
  });
  if (lane.getStore()?.yields && child.pid) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  return child;
}

async function ended(child, command, args) {
  const stopped = await new Promise((resolve) => {
    child.once('error', (error) => resolve(`does not start: ${error.message}`));
    child.once('close', (code, signal) => resolve(code === 0 ? null : signal ? `was ended by ${signal}` : `exited with ${code}`));
  });
  if (stopped) throw new StepFailure(`${command} ${args[0] ?? ''} ${stopped}`);
}

/** Runs a script's main function where the script itself was started: a failure ends the process with exit code 1. */
export async function main(moduleUrl, work) {
  if (process.argv[1] !== fileURLToPath(moduleUrl)) return;
  try {
    await work();
  } catch (error) {
    console.error(error instanceof StepFailure ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}

function seconds(started) {
  return ((performance.now() - started) / 1000).toFixed(1);
}
