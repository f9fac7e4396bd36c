// The delta and conflict logic in Node: `@agentic-flow/sqlite-vector/delta`, on compiled code, or without it on the WASM
// module: the results are the same.
import { codeMethods, codedFunction } from './check/coded';
import { VectrError, codeOf } from './check/error';
import { type Backend, provideBackend } from './delta/backend/backend';
import * as delta from './delta/exports';
import type { WasmSource } from './delta/backend/wasm-source';
import { readUniformMetadata } from './delta/packing/uniform-metadata';
import { loadAddon } from './native/loader';

export * from './delta/exports';

// In Node, where there is room for it, whatever a program's values throw gets a code.
for (const type of [
  delta.ConflictResolver,
  delta.ConflictTracker,
  delta.Delta,
  delta.DeltaEncoder,
  delta.VersionVector,
]) {
  codeMethods(type);
}

/** Reads the bytes of a delta without creating an object for each change. Errors as of `DeltaEncoder.deserialize`. */
export const decodeColumns: typeof delta.decodeColumns = codedFunction(delta.decodeColumns);
/** The bytes of a delta: the same as `DeltaEncoder.serialize` makes of the same changes.
 *  @throws ERR_ARGUMENT, ERR_VECTOR and ERR_DIMENSIONS for columns that do not fit together or hold what changes may
 *  not; ERR_CODEC if the compression cannot be written here. */
export const encodeColumns: typeof delta.encodeColumns = codedFunction(delta.encodeColumns);
/** One operation for each vector, sorted by id. Each side's newest operation counts; if both sides changed a vector in
 *  different ways, the strategy decides. Swapping the arguments does not change the result.
 *  @throws ERR_MANUAL_RESOLUTION naming the number of conflicts under 'manual'. */
export const resolveConflicts: typeof delta.resolveConflicts = codedFunction(delta.resolveConflicts);
/** Resolves two deltas of one shard into one: one change for each vector, chosen by the strategy, sorted by id; under
 *  'manual' all concurrent versions. Swapping the arguments does not change the bytes.
 *  @throws ERR_CHECKSUM and ERR_PROTOCOL for damaged bytes, ERR_ARGUMENT for deltas of two shards. */
export const resolveDeltas: typeof delta.resolveDeltas = codedFunction(delta.resolveDeltas);

/** Makes the WASM module ready. Only `./delta/slim` needs it, before anything else, and with a source: an address, a
 *  response, the bytes, or a compiled module. `./delta` brings the module along and makes it ready at the first use;
 *  awaited before that, it is compiled without holding up the page. In Node it resolves at once.
 *
 *  An edge worker that takes nothing but a .wasm file writes it once:
 *  `node -e "import('@agentic-flow/sqlite-vector/delta/module').then(({ moduleBytes }) => require('node:fs').writeFileSync('delta.wasm', moduleBytes()))"`
 *  @throws VectrError ERR_NOT_INITIALIZED if the source cannot be loaded.
 *  @throws TypeError ERR_ARGUMENT if there is no source where one is needed. */
export async function initialize(_source?: WasmSource): Promise<void> {}

let core: Backend | undefined;
provideBackend(() => (core ??= addonBackend() ?? moduleBackend()));

function addonBackend(): Backend | undefined {
  try {
    return { ...loadAddon(), readUniformMetadata, allocate: (length) => Buffer.allocUnsafeSlow(length).buffer };
  } catch (error) {
    if (codeOf(error) === 'ERR_ADDON') return undefined;
    throw error;
  }
}

function moduleBackend(): Backend {
  // Read where it is needed: the module is twice as large as all else.
  const { wasmBackend } = require('./native/wasm-backend') as typeof import('./native/wasm-backend');
  try {
    return wasmBackend();
  } catch (cause) {
    const why = 'the addon is not available, and this host compiles no WebAssembly';
    throw new VectrError('ERR_NOT_INITIALIZED', `${why}. docs/bundlers.md has the ways out`, { cause });
  }
}
