// `await using` closes a handle, on every Node that has it.

declare global {
  // As @types/node and TypeScript's own `esnext.disposable` declare it: users of an older library compile too.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/** `Symbol.asyncDispose`, and where Node has none yet the symbol that transpilers use in its place. */
export const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for('Symbol.asyncDispose') as typeof Symbol.asyncDispose);
