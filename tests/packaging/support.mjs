// What the packaging tests share: the tarballs as they are published, and empty projects that install them.
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export { platformTarball, rootTarball } from './tarballs.mjs';
export const root = fileURLToPath(new URL('../..', import.meta.url));
export const NAME = '@agentic-flow/sqlite-vector';

const scratch = mkdtempSync(join(tmpdir(), 'vectr-packaging-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A new folder outside of the repository, removed at the end: nothing there finds the repository's packages. */
export function folder() {
  return mkdtempSync(join(scratch, 'case-'));
}

/** The paths in a tarball, below its `package/`, in order. */
export function contents(tarball) {
  const listed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' });
  return listed.trim().split(/\r?\n/).map((path) => path.replace(/^package\//, '')).sort();
}

/** One file of a tarball, as text. */
export function read(tarball, path) {
  return execFileSync('tar', ['-xzOf', tarball, `package/${path}`], { encoding: 'utf8' });
}

/** An empty project with these tarballs installed, without network, cache or scripts. Returns its folder. */
export function project(tarballs, manifest = {}) {
  const where = folder();
  write(where, 'package.json', JSON.stringify({ name: 'consumer', version: '1.0.0', private: true, ...manifest }));
  const args = ['install', '--offline', '--cache', join(where, '.cache'), '--no-audit', '--no-fund', ...tarballs];
  execFileSync('npm', args, { cwd: where, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
  return where;
}

/** Writes a file of a project and returns its path. */
export function write(where, name, text) {
  const path = join(where, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** Runs Node in a project. Resolves to what it printed, or rejects with an error that has its `stderr`. */
export async function node(where, args) {
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: where, encoding: 'utf8' });
  return stdout;
}

/** Runs a command that a package of the repository brings, given by its file below node_modules. */
export function tool(where, path, args) {
  return node(where, [join(root, 'node_modules', path), ...args]);
}
