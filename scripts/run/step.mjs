// One named step of a script: says what it does while doing it, and how long it took.
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A step that failed for a reason its own output explains: printed without a stack. */
export class StepFailure extends Error {}

/** Runs `work` between two lines that name it; a failure names it too and is passed on. */
export async function step(name, work) {
  console.log(`\n== ${name}`);
  const started = performance.now();
  try {
    const value = await work();
    console.log(`== ${name}: done in ${seconds(started)} s`);
    return value;
  } catch (error) {
    console.error(`== ${name}: FAILED after ${seconds(started)} s`);
    throw error;
  }
}

/** Prints the command, runs it in the project's root with its output passed through, and fails unless it exits with 0. */
export function run(command, args, env = {}) {
  console.log(`$ ${[command, ...args].join(' ')}`);
  return ended(start(command, args, env, 'inherit'), command, args);
}

/** As `run`, beside others: the output comes whole, once the command has ended. */
export async function runBeside(command, args, env = {}) {
  const child = start(command, args, env, 'pipe');
  const output = [`$ ${[command, ...args].join(' ')}\n`];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => output.push(text));
  try {
    await ended(child, command, args);
  } finally {
    process.stdout.write(output.join(''));
  }
}

function start(command, args, env, output) {
  return spawn(command, args, {
    cwd: root,
    stdio: ['ignore', output, output],
    env: { ...process.env, PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter), ...env },
    // npm's commands are .cmd files on Windows, which only a shell can start.
    shell: process.platform === 'win32',
  });
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
