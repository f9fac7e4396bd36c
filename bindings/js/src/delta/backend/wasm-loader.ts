// Makes the WASM module ready: at the first use where its bytes are at hand, else when the page says so. The entries
// share it: there is one module in a page.
import { VectrError, wrongType } from '../../check/error';
import * as glue from '../../native/wasm';
import { type Backend, provideBackend } from './backend';
import type { WasmSource } from './wasm-source';

const KINDS = "the URL of a .wasm file, its bytes (moduleBytes() of './delta/module'), a response or a module";

let bytesAtHand: (() => Uint8Array) | undefined;
let isReady = false;
let loading: Promise<void> | undefined;

provideBackend(readyKernel);

/** Says where the module is at hand: nothing has to be initialized then. */
export function provideModule(bytes: () => Uint8Array): void {
  bytesAtHand = bytes;
}

/** Makes the module ready, of `source` or else of what is at hand. Does nothing where it is ready.
 *  @throws ERR_NOT_INITIALIZED if the source cannot be loaded; another attempt may follow. */
export async function initialize(source?: WasmSource): Promise<void> {
  if (isReady) return;
  loading ??= load(source).finally(() => (loading = undefined));
  await loading;
}

function readyKernel(): Backend {
  if (isReady) return glue;
  if (bytesAtHand === undefined) {
    throw new VectrError('ERR_NOT_INITIALIZED', `the WASM module is not loaded: await initialize(source), with ${KINDS}`);
  }
  glue.initSync({ module: bytesAtHand() });
  isReady = true;
  return glue;
}

async function load(source: unknown): Promise<void> {
  const module = source === undefined ? bytesAtHand?.() : source;
  if (typeof module !== 'string' && (typeof module !== 'object' || module === null)) {
    throw wrongType('source', KINDS, source);
  }
  try {
    await glue.default({ module_or_path: module });
  } catch (cause) {
    const { message } = cause as Error;
    throw new VectrError('ERR_NOT_INITIALIZED', `the WASM module cannot be loaded: ${message}`, { cause });
  }
  isReady = true;
}
