import type { Backend } from '../delta/backend/backend';

/** The WASM module as a backend for Node: `scripts/build/browser-bundle.mjs` writes the file. Each call makes another. */
export declare function wasmBackend(): Backend;
