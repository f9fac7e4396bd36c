// Loads the WASM module: at the first use if its bytes are bundled, else by `initialize`. All entries share one module.
import { VectrError, wrongType } from '../../check/error';
import * as glue from '../../native/wasm';
import { type Backend, provideBackend } from './backend';
import type { WasmSource } from './wasm-source';

const KINDS = "the URL of a .wasm file, its bytes (moduleBytes() of './delta/module'), a response or a module";

let bundledBytes: (() => Uint8Array) | undefined;
let isReady = false;
let loading: Promise<void> | undefined;

provideBackend(readyKernel);

/** Sets the bundled bytes of the module, which makes `initialize` optional. */
export function provideModule(bytes: () => Uint8Array): void {
  bundledBytes = bytes;
}

/** Loads the module from `source`, or else from the bundled bytes. Does nothing if it is loaded.
 *  @throws ERR_NOT_INITIALIZED if the source cannot be loaded; another attempt may follow. */
export async function initialize(source?: WasmSource): Promise<void> {
  if (isReady) return;
  loading ??= load(source).finally(() => (loading = undefined));
  await loading;
}

function readyKernel(): Backend {
  if (isReady) return glue;
  if (bundledBytes === undefined) {
    throw notLoaded(`await initialize(source), with ${KINDS}`);
  }
  try {
    glue.initSync({ module: bundledBytes() });
  } catch (cause) {
    throw refused(cause);
  }
  isReady = true;
  return glue;
}

async function load(source: unknown): Promise<void> {
  const module = source === undefined ? bundledBytes?.() : source;
  if (typeof module !== 'string' && (typeof module !== 'object' || module === null)) {
    throw wrongType('source', KINDS, source);
  }
  try {
    await glue.default({ module_or_path: module });
  } catch (cause) {
    throw refused(cause);
  }
  isReady = true;
}

// The cause is most often a host that compiles nothing: a page by its policy, an edge worker always.
function refused(cause: unknown): VectrError {
  return notLoaded(`${(cause as Error).message}. docs/bundlers.md has the ways out for pages and edge workers`, { cause });
}

function notLoaded(why: string, options?: { cause: unknown }): VectrError {
  return new VectrError('ERR_NOT_INITIALIZED', `the WASM module is not loaded: ${why}`, options);
}
