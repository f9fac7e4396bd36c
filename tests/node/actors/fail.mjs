// A sync that fails: what comes of it on standard error is up to VECTR_LOG.
import { VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';

const db = await VectrDB.open();
const sync = new VectorQuicSync(db, 'a', { maxRetries: 0 });
const { errorCode } = await sync.sync('s', 'no address');
if (errorCode !== 'ERR_ARGUMENT') throw new Error(`unexpected: ${errorCode}`);
await sync.close();
await db.close();
