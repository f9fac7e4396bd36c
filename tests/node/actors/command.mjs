// The package's command in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../../dist/command.js', import.meta.url));

// What the machine's owner trusts is no business of a test.
const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('QUIC_')));

/** Starts `vectr` with these arguments, killed at the latest after the test. */
export function startCommand(t, args, { cwd, env } = {}) {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stderr.on('data', (data) => (said.err += data));
  child.stdout.on('data', (data) => (said.out += data));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = once(child, 'close').then(([code, signal]) => ({ code, signal, ...said }));
  return { child, closed, firstLine: async () => (await lines.next()).value };
}

/** Runs `vectr` to its end: `{ code, signal, out, err }`. */
export function runCommand(t, args, options) {
  return startCommand(t, args, options).closed;
}

/** `vectr serve` on free ports, once it answers: what it printed, and the process. */
export async function serve(t, path, args = [], options = {}) {
  const ports = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--json'];
  const started = startCommand(t, ['serve', path, ...ports, ...args], options);
  const line = await started.firstLine();
  if (line === undefined) throw new Error(`it did not start: ${(await started.closed).err}`);
  return { ...JSON.parse(line), ...started };
}
