// The fuzz targets, as `fuzz/src/bin` has them, and how libFuzzer runs each.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { builtProgram, cargo, targetFolder } from '../run/cargo.mjs';
import { root, StepFailure } from '../run/step.mjs';

/** Each target with the program that holds it and the length of its longest inputs, in bytes. */
export const TARGETS = {
  frame: { program: 'fuzz-delta', longest: 2_048 },
  message: { program: 'fuzz-delta', longest: 2_048 },
  batch: { program: 'fuzz-delta', longest: 2_048 },
  delta: { program: 'fuzz-delta', longest: 2_048 },
  flat: { program: 'fuzz-delta', longest: 2_048 },
  records: { program: 'fuzz-transport', longest: 512 },
  streams: { program: 'fuzz-transport', longest: 2_048 },
  sql: { program: 'fuzz-core', longest: 512 },
  session: { program: 'fuzz-core', longest: 2_048 },
  history: { program: 'fuzz-core', longest: 256 },
};

/** The name, if it is a target's. */
export function targetNamed(name) {
  if (!Object.hasOwn(TARGETS, name)) throw new StepFailure(`"${name}" is no target: give one of ${Object.keys(TARGETS).join(', ')}`);
  return name;
}

/** Builds the programs of all targets. Dependencies are those of the tests. */
export async function buildTargets() {
  const wrapper = join(root, 'scripts/fuzz/rustc.sh');
  const programs = [...new Set(Object.values(TARGETS).map(({ program }) => program))];
  const chosen = ['--features', 'vectr-fuzz/libfuzzer', ...programs.flatMap((program) => ['--bin', program])];
  await cargo(['build', '--locked', '--release', '--workspace', ...chosen], { RUSTC_WORKSPACE_WRAPPER: wrapper });
}

/** The path of the program that holds a target. */
export function programOf(target) {
  return builtProgram(TARGETS[target].program);
}

/** Where targets run: the compiler's wrapper is a shell script, and libFuzzer is linked with the system's C++. */
export function canFuzz() {
  return process.platform === 'linux';
}

/** The inputs of a target that are part of the repository. */
export function keptCorpus(target) {
  return join(root, 'fuzz/corpora', target);
}

/** The inputs that long runs have found on this machine. */
export function foundCorpus(target) {
  return join(fuzzFolder(), 'found', target);
}

/** Where everything goes that is no part of the repository. */
export function fuzzFolder() {
  return join(targetFolder(), 'fuzz');
}

/** How many inputs a folder holds, and of how many bytes. */
export function sizeOf(folder) {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return { files: files.length, bytes: files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0) };
}
