// Cargo, with all its output in the one folder that the addon's build uses too.
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { outputOf, root, run } from './step.mjs';

/** Runs cargo. The napi command always names the target, so all others must: what is built for one then serves all. */
export function cargo(args, environment = {}) {
  return run('cargo', args, { ...environment, CARGO_BUILD_TARGET: hostTarget() });
}

/** As `cargo`: what it prints on its standard output. */
export function cargoOutput(args) {
  return outputOf('cargo', args, { CARGO_BUILD_TARGET: hostTarget() });
}

/** The path of a program that cargo has built. */
export function builtProgram(name) {
  return join(targetFolder(), hostTarget(), 'release', name);
}

/** Where everything is built. */
export function targetFolder() {
  return resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
}

function hostTarget() {
  const answer = execFileSync('rustc', ['-vV'], { encoding: 'utf8' });
  return /^host: (.+)$/m.exec(answer)[1];
}
