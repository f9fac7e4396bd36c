// One agent: a process with its own database file, told what to do by messages of main.mjs.
import { createVectorSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { embeddings, pairs } from './embeddings.mjs';
import { obey } from './obey.mjs';

const [path, nodeId] = process.argv.slice(2);
const db = await VectrDB.open({ path, shardId: 'phrases' });
// The demo kills on purpose and retries by itself, to show each attempt.
const sync = await createVectorSync(db, nodeId, { maxRetries: 0 });

obey({
  listen: () => sync.listen('127.0.0.1:0'),
  insert: (start, count) => db.insertBatch(embeddings(start, count)).then((ids) => ids.length),
  insertPairs: (start, count) => db.insertBatch(pairs(start, count)).then((ids) => ids.length),
  edit: async (start, count) => {
    for (const { id, vector } of embeddings(start, count)) {
      await db.update(id, vector.map((component) => component * 0.5), { editedBy: nodeId });
    }
    return count;
  },
  count: () => db.count(),
  digest: () => db.digest(),
  check: async () => (await db.query('PRAGMA integrity_check'))[0].integrity_check,
  sync: (address) => sync.sync('phrases', address, false, {
    onProgress: ({ sent, received }) => process.send({ progress: { sent, received } }),
  }),
  close: async () => {
    await sync.close();
    await db.close();
  },
}, sync.fingerprint);
