// @generated from bindings/wasm by scripts/build/wasm.mjs: do not edit.
/* tslint:disable */
/* eslint-disable */

/** Changes in three columns. */
export interface FlatChanges { numbers: Float64Array; text: string; vectors: Uint8Array }
/** All of a delta but its vectors. */
export interface PackedDelta { columns: Uint8Array; checksum: string }
/** What the bytes of a delta hold. */
export interface DecodedDelta extends FlatChanges, PackedDelta { compression: number }
/** Which changes stand. */
export interface Verdict { groups: Uint32Array; duplicateDots: Uint32Array; ids: string }
/** Which operations stand. */
export interface Resolution { groups: Uint32Array; merged: FlatChanges }



/**
 * Reads the bytes of a delta.
 */
export function decodeDelta(bytes: Uint8Array | number[]): DecodedDelta;

/**
 * The bytes of a delta.
 */
export function encodeDelta(numbers: Float64Array | number[], text: string, vectors: Uint8Array | number[], compression: number, checksum?: string | null): Uint8Array;

/**
 * A version vector with one key counted up.
 */
export function incrementVersion(text: string, numbers: Float64Array | number[]): Float64Array;

/**
 * The maximum of two version vectors.
 */
export function joinVersions(text: string, numbers: Float64Array | number[]): Float64Array;

/**
 * Merges the standing changes of each vector.
 */
export function mergeChanges(numbers: Float64Array | number[], text: string, vectors: Uint8Array | number[]): FlatChanges;

/**
 * The changes that no other one of the same delta supersedes.
 */
export function newestChanges(numbers: Float64Array | number[], text: string): Uint32Array;

/**
 * All of a delta but its vectors, and its checksum.
 */
export function packDelta(numbers: Float64Array | number[], text: string, vectors: Uint8Array | number[]): PackedDelta;

/**
 * How two version vectors relate: 0 equal, 1 before, 2 after, 3 concurrent.
 */
export function relateVersions(text: string, numbers: Float64Array | number[]): number;

/**
 * Which changes of both sides stand, and which of them shows.
 */
export function resolveChanges(numbers: Float64Array | number[], text: string, vectors: Uint8Array | number[], strategy: number): Verdict;

/**
 * Two deltas in, one out.
 */
export function resolveDeltas(local: Uint8Array | number[], remote: Uint8Array | number[], strategy: number): Uint8Array;

/**
 * Which operations of two sides stand.
 */
export function resolveOperations(numbers: Float64Array | number[], text: string, vectors: Uint8Array | number[], localCount: number, strategy: number): Resolution;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly decodeDelta: (a: number, b: number) => [number, number, number];
    readonly encodeDelta: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number) => [number, number, number, number];
    readonly incrementVersion: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly joinVersions: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly mergeChanges: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number];
    readonly newestChanges: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly packDelta: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number];
    readonly relateVersions: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly resolveChanges: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => [number, number, number];
    readonly resolveDeltas: (a: number, b: number, c: number, d: number, e: number) => [number, number, number, number];
    readonly resolveOperations: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => [number, number, number];
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __wbindgen_realloc: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
