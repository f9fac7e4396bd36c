// Which compiler builds the WASM module. rustup's, where it has the target or can get it; else Debian's, which comes
// with the standard library's source. VECTR_WASM_TOOLCHAIN=rustup or =debian leaves no choice.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { canInstall, install, installCommand } from './debian.mjs';
import { root, run, StepFailure } from '../run/step.mjs';

export const TARGET = 'wasm32-unknown-unknown';

const DEBIAN = { rustc: '/usr/bin/rustc', cargo: '/usr/bin/cargo', linker: 'wasm-ld-19' };
const PACKAGES = ['rustc-web', 'cargo-web', 'rust-web-src', 'lld-19'];
const RUSTUP_COMMAND = `rustup target add ${TARGET}`;

/** Chooses a compiler that can build for the browser, and installs what it lacks where that is allowed. Says which.
 *  @returns {Promise<{ name: string, cargo: string, args: string[], env: Record<string, string> }>} */
export async function wasmToolchain() {
  const wanted = process.env.VECTR_WASM_TOOLCHAIN ?? '';
  if (!['', 'rustup', 'debian'].includes(wanted)) {
    throw new StepFailure(`VECTR_WASM_TOOLCHAIN=${wanted}: give rustup or debian`);
  }
  const chosen = (wanted !== 'debian' && (await rustup())) || (wanted !== 'rustup' && (await debian()));
  if (!chosen) throw new StepFailure(wayOut(wanted));
  const forced = wanted ? ', as VECTR_WASM_TOOLCHAIN says' : '';
  console.log(`the WASM module is built by ${chosen.title}${forced}`);
  return chosen;
}

async function rustup() {
  if (!hasTarget()) {
    await run('rustup', ['target', 'add', TARGET]).catch((error) => console.log(`${error.message}: no target from rustup`));
    if (!hasTarget()) return null;
  }
  return { name: 'rustup', title: `${version('rustc')} with its own ${TARGET}`, cargo: 'cargo', args: [], env: {} };
}

async function debian() {
  if (!hasDebianPackages() && canInstall()) await install(PACKAGES);
  if (!hasDebianPackages()) return null;
  return {
    name: 'debian',
    title: `Debian's ${version(DEBIAN.rustc)}, along with the standard library`,
    cargo: DEBIAN.cargo,
    args: ['-Z', 'build-std=std,panic_abort'],
    // The source of the standard library is all that the unstable flag is for, and only this command gets it.
    env: { RUSTC_BOOTSTRAP: '1', RUSTC: DEBIAN.rustc, CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: DEBIAN.linker },
  };
}

function hasTarget() {
  const folder = answer('rustc', ['--print', 'target-libdir', '--target', TARGET]);
  return folder !== null && existsSync(folder) && readdirSync(folder).some((file) => file.startsWith('libstd-'));
}

function hasDebianPackages() {
  const sysroot = existsSync(DEBIAN.rustc) && existsSync(DEBIAN.cargo) && answer(DEBIAN.rustc, ['--print', 'sysroot']);
  return Boolean(sysroot)
    && existsSync(join(sysroot, 'lib/rustlib/src/rust/library/std/Cargo.toml'))
    && answer(DEBIAN.linker, ['--version']) !== null;
}

function wayOut(wanted) {
  const ways = { rustup: `\`${RUSTUP_COMMAND}\``, debian: `\`sudo ${installCommand(PACKAGES)}\`` };
  const ask = wanted ? ways[wanted] : `${ways.rustup}, or on Debian ${ways.debian}`;
  return `no compiler for ${TARGET}: run ${ask}`;
}

function version(rustc) {
  return answer(rustc, ['--version']);
}

function answer(command, args) {
  try {
    return execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
