// The delta and conflict logic in Node: `@agentic-flow/sqlite-vector/delta`, on compiled code.
import { provideBackend } from './delta/backend/backend';
import type { WasmSource } from './delta/backend/wasm-source';
import { readUniformMetadata } from './delta/packing/uniform-metadata';
import { addon } from './native/addon';

export * from './delta/exports';

/** Makes the WASM module ready. Only `./delta/slim` needs it, before anything else, and with a source: an address, a
 *  response, the bytes, or a compiled module. `./delta` brings the module along and makes it ready at the first use;
 *  awaited before that, it is compiled without holding up the page. In Node, on compiled code, it resolves at once.
 *
 *  An edge worker that takes nothing but a .wasm file writes it once:
 *  `node -e "import('@agentic-flow/sqlite-vector/delta/module').then(({ moduleBytes }) => require('node:fs').writeFileSync('delta.wasm', moduleBytes()))"`
 *  @throws VectrError ERR_NOT_INITIALIZED if the source cannot be loaded.
 *  @throws TypeError ERR_ARGUMENT if there is no source where one is needed. */
export async function initialize(_source?: WasmSource): Promise<void> {}

const core = { ...addon, readUniformMetadata, allocate: (length: number) => Buffer.allocUnsafeSlow(length).buffer };
provideBackend(() => core);
