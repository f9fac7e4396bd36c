/** The WASM module of `./delta`: bytes for `initialize`, or for a .wasm file where a platform takes nothing else. */
export declare function moduleBytes(): Uint8Array;
