// What must be on the machine before anything can be built, and the way out where it is not.
import { execFileSync } from 'node:child_process';
import { StepFailure } from '../run/step.mjs';

const RUST = [1, 93];
// Vite, which builds a page in a test, needs 20.19; the built package runs on every Node 20.
const NODE = [20, 19];

const RUST_WAY_OUT = 'install it from https://rustup.rs, or: rustup update stable';
const CC_WAY_OUT = 'install one: `apt-get install gcc libc6-dev`, `dnf install gcc`, or `xcode-select --install`';
const CXX_WAY_OUT = 'install one: `apt-get install g++`, `dnf install gcc-c++`, or `xcode-select --install`';
const NODE_WAY_OUT = 'install a newer one from https://nodejs.org, or: nvm install 22';

/** Prints the version of each tool; fails with the way out for all that are missing or too old. */
export function checkToolchain() {
  const faults = [
    fault(`Rust ${RUST.join('.')} or newer`, 'rustc', ['--version'], RUST, RUST_WAY_OUT),
    fault('Cargo', 'cargo', ['--version'], RUST, RUST_WAY_OUT),
    fault('a C compiler', process.env.CC ?? 'cc', ['--version'], [], CC_WAY_OUT),
    fault(`Node ${NODE.join('.')} or newer`, process.execPath, ['--version'], NODE, NODE_WAY_OUT),
  ].filter(Boolean);
  if (faults.length > 0) throw new StepFailure(faults.join('\n'));
}

/** Fails with the way out where the fuzz targets cannot be built: libFuzzer is C++. */
export function checkCxx() {
  const missing = fault('a C++ compiler', process.env.CXX ?? 'c++', ['--version'], [], CXX_WAY_OUT);
  if (missing) throw new StepFailure(missing);
}

function fault(what, command, args, least, wayOut) {
  let answer;
  try {
    answer = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).split('\n')[0];
  } catch (error) {
    return `${what} is needed, but \`${command}\` does not run (${error.code ?? error.message}): ${wayOut}`;
  }
  console.log(`${command}: ${answer}`);
  return isAtLeast(answer, least) ? null : `${what} is needed, but this is "${answer}": ${wayOut}`;
}

function isAtLeast(answer, least) {
  if (least.length === 0) return true;
  const [major, minor] = (/(\d+)\.(\d+)/.exec(answer) ?? [0, 0, 0]).slice(1).map(Number);
  return major > least[0] || (major === least[0] && minor >= least[1]);
}
