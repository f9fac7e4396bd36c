// The WASM module and its JavaScript, into target/wasm-pkg: compiled, bound by wasm-bindgen, shrunk by wasm-opt.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { builtProgram, cargo, targetFolder } from '../run/cargo.mjs';
import { WASM_TYPINGS } from './generated.mjs';
import { main, root, run, step, StepFailure } from '../run/step.mjs';
import { TARGET, wasmToolchain } from '../install/wasm-toolchain.mjs';

const NAME = 'delta_backend';

/** Where the files lie that the browser bundles are made of. */
export const wasmPackage = {
  folder: () => join(targetFolder(), 'wasm-pkg'),
  glue: () => join(wasmPackage.folder(), `${NAME}.js`),
  module: () => join(wasmPackage.folder(), `${NAME}_bg.wasm`),
};

/** Builds the module, its JavaScript and its committed typings. */
export async function buildWasm() {
  const compiled = await step('compile the WASM module', compile);
  checkImports(compiled);
  await step('bind it to JavaScript', () => bind(compiled));
  await step('shrink it', shrink);
}

async function compile() {
  const { name, cargo: command, args, env } = await wasmToolchain();
  // A folder for each compiler: neither throws away what the other has built.
  const folder = join(targetFolder(), `wasm-${name}`);
  const build = ['build', '--locked', '--profile', 'wasm', '-p', 'vectr-wasm', '--target', TARGET, '--target-dir', folder];
  await run(command, [...build, ...args], { ...env, CARGO_BUILD_TARGET: TARGET, CARGO_ENCODED_RUSTFLAGS: FLAGS.join('\x1f') });
  return join(folder, TARGET, 'wasm', 'vectr_wasm.wasm');
}

/** The module may ask its host for nothing but what wasm-bindgen writes beside it. */
function checkImports(path) {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(path)));
  const foreign = imports.find(({ module }) => !module.startsWith('__wbindgen'));
  if (foreign) throw new StepFailure(`the WASM module imports ${foreign.name} from ${foreign.module}: the core asks nobody`);
  console.log(`imports of the module: ${imports.length}, all of them wasm-bindgen's`);
}

async function bind(compiled) {
  rmSync(wasmPackage.folder(), { recursive: true, force: true });
  mkdirSync(wasmPackage.folder(), { recursive: true });
  // The whole workspace's features, so that its dependencies are those that the other commands have built.
  await cargo(['build', '--locked', '--release', '--workspace', '--exclude', 'vectr-benches', '--bin', 'wasm-bind']);
  await run(builtProgram('wasm-bind'), [compiled, wasmPackage.folder(), NAME]);
  const typings = readFileSync(join(wasmPackage.folder(), `${NAME}.d.ts`), 'utf8');
  writeFileSync(join(root, WASM_TYPINGS), `// @generated from bindings/wasm by scripts/build/wasm.mjs: do not edit.\n${typings}`);
}

async function shrink() {
  await run('wasm-opt', [...OPTIMISATIONS, wasmPackage.module(), '-o', wasmPackage.module()]);
}

const FLAGS = [
  // XXH3 hashes and means are summed 16 bytes a step with it; every browser has it since 2023.
  '-Ctarget-feature=+simd128,+bulk-memory',
  // Messages of panics name files: nobody needs to know whose home they lay in.
  `--remap-path-prefix=${process.env.CARGO_HOME ?? join(homedir(), '.cargo')}=`,
  `--remap-path-prefix=${root}=`,
];

const SMALL = ['-Oz', '--converge'];
// Flat code lets the optimiser lay out the control flow anew: each round takes half a percent off the compressed module.
const FLAT = ['--flatten', '--rereloop', ...SMALL];

const OPTIMISATIONS = [
  ...SMALL, ...FLAT, ...FLAT,
  ...['simd', 'bulk-memory', 'mutable-globals', 'sign-ext', 'nontrapping-float-to-int', 'multivalue', 'reference-types']
    .map((feature) => `--enable-${feature}`),
  '--strip-debug', '--strip-producers', '--strip-target-features',
];

await main(import.meta.url, buildWasm);
