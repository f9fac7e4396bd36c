// An ES module sees the same types as a CommonJS one.
import { VectorQuicSync, VectrDB, createVectorSync } from '@agentic-flow/sqlite-vector';
import { VectorQuicSync as FromSync } from '@agentic-flow/sqlite-vector/sync';
import type { VectrDB as FromRequire } from '@agentic-flow/sqlite-vector' with { 'resolution-mode': 'require' };

export const same: typeof VectorQuicSync = FromSync;
export const database: FromRequire = await VectrDB.open();
export const engine: VectorQuicSync = await createVectorSync(database, 'node-1');
