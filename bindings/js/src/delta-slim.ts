// The delta and conflict logic for pages and edge workers that load the WASM module themselves: initialize() first.
export * from './delta/exports';
export { initialize } from './delta/backend/wasm-loader';
