// Makes a fresh machine ready: `npm run setup`. Every other script starts with it.
import { installPackages } from './install/npm-packages.mjs';
import { main, step } from './run/step.mjs';
import { checkToolchain } from './install/toolchain.mjs';
import { wasmToolchain } from './install/wasm-toolchain.mjs';

/** Fails with the way out where Rust, a C compiler, Node or a compiler for the browser is missing; installs the npm
 *  packages. */
export async function setup() {
  await step('toolchain', checkToolchain);
  await step('toolchain of the WASM module', wasmToolchain);
  await step('npm packages', installPackages);
}

await main(import.meta.url, setup);
