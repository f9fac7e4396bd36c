// Node's own modules. A bundle of ES modules may have no `require` that knows them: esbuild's throws. Node hands them out
// itself since 20.16.

/** `node:fs` */
export const fs: typeof import('node:fs') = process.getBuiltinModule?.('node:fs') ?? require('node:fs');
/** `node:module` */
export const nodeModule: typeof import('node:module') =
  process.getBuiltinModule?.('node:module') ?? require('node:module');
/** `node:path` */
export const path: typeof import('node:path') = process.getBuiltinModule?.('node:path') ?? require('node:path');
/** `node:async_hooks` */
export const asyncHooks: typeof import('node:async_hooks') =
  process.getBuiltinModule?.('node:async_hooks') ?? require('node:async_hooks');
/** `node:timers` */
export const timers: typeof import('node:timers') =
  process.getBuiltinModule?.('node:timers') ?? require('node:timers');
