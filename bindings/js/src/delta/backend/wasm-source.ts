// Where the WASM module may come from.

/** What `initialize` takes: where to fetch the module, or the module itself. */
export type WasmSource =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Instance<'URL'>
  | Instance<'Response'>
  | WasmModule;

// Neither Node's typings nor a browser's may be needed to read this file: of what is not declared nothing is accepted.
type Instance<Name extends string> = typeof globalThis extends { [K in Name]: { prototype: infer T } } ? T : never;
type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer T } } } ? T : never;
