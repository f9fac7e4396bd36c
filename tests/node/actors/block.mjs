// Runs one block of a document: `block.mjs <file>`, in its folder. What the text around a block takes as given is here:
// the package's names, a database with a conflict, its engine, a peer that listens, and a signal that ends a wait.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import * as everything from '@agentic-flow/sqlite-vector';

const { createVectorSync, VectrDB, QuicTransport } = everything;
const [file] = process.argv.slice(2);
process.env.CLUSTER_SECRET = 'a secret of at least sixteen bytes';

const db = await VectrDB.open({ memoryMode: true, shardId: 'notes', nodeId: 'agent-1' });
const there = await VectrDB.open({ memoryMode: true, shardId: 'notes', nodeId: 'agent-2' });
await db.upsert('greeting', [1, 0], { text: 'hello' });
await there.upsert('greeting', [0, 1], { text: 'good day' });
const sync = await createVectorSync(db, 'agent-1', { conflictStrategy: 'manual' });
const peer = await createVectorSync(there, 'agent-2', { conflictStrategy: 'manual' });
const peerAddress = await peer.listen('127.0.0.1:0');
const first = await sync.sync('notes', peerAddress);
if (first.conflictsUnresolved.length !== 1) throw new Error(`no conflict: ${first.error}`);
const transport = await QuicTransport.create();

Object.assign(globalThis, everything, {
  db,
  sync,
  transport,
  peer,
  peerAddress,
  signal: AbortSignal.timeout(500),
  ask: async (conflict) => conflict.localChange,
  console: { ...console, log: () => {} },
  seen: 0,
  toChangeId: 10,
});

const code = readFileSync(file, 'utf8')
  .replaceAll(/(agent|node)-[1-3]\.example:4433|10\.0\.0\.2:4433/g, peerAddress)
  .replaceAll('<the other fingerprint>', peer.fingerprint);
writeFileSync(file, code);
try {
  await import(pathToFileURL(file).href);
} catch (error) {
  // A block that waits for events ends with its signal.
  if (!(globalThis.signal.aborted && error.cause === globalThis.signal.reason)) throw error;
}
// A block may leave things open that the next one would close. What it began goes wrong now or not at all.
await new Promise((resolve) => setTimeout(resolve, 50));
process.exit(0);
