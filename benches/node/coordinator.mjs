// How long a coordinator takes to hear of 10,000 peers and of 100,000 tasks, called from Node.
import { ShardCoordinator, VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { ensure, median, row } from './support/measure.mjs';

const RUNS = 5;
const [PEERS, TASKS] = [10_000, 100_000];
const addresses = Array.from({ length: PEERS }, (_, index) => `10.0.${index >> 8}.${index & 255}:4433`);
const shards = Array.from({ length: TASKS / PEERS }, (_, index) => `shard-${index}`);

const db = await VectrDB.open();
const sync = new VectorQuicSync(db, 'node');
const times = { peers: [], tasks: [] };
for (let run = 0; run < RUNS; run += 1) {
  const coordinator = new ShardCoordinator(sync);
  const started = performance.now();
  for (const [index, address] of addresses.entries()) {
    coordinator.registerPeer({ nodeId: `node-${index}`, address, shards, status: 'unknown' });
  }
  const registered = performance.now();
  for (let index = 0; index < TASKS; index += 1) {
    coordinator.scheduleSyncTask(shards[Math.floor(index / PEERS)], addresses[index % PEERS], index % 7);
  }
  // Asking is part of it: tasks may still be on their way before.
  ensure(coordinator.getPendingTasksCount() === TASKS, 'all tasks wait');
  const scheduled = performance.now();
  ensure(coordinator.getPeers().length === PEERS, 'all peers are registered');
  times.peers.push(registered - started);
  times.tasks.push(scheduled - registered);
  await coordinator.close();
}
console.log(`Milliseconds, median of ${RUNS} runs.\n`);
row('what', 'ms', 'all runs');
row('---', '---:', '---');
const shown = (all) => all.map((time) => time.toFixed(1)).join(' ');
row(`registerPeer, ${PEERS} times`, median(times.peers), shown(times.peers));
row(`scheduleSyncTask, ${TASKS} times`, median(times.tasks), shown(times.tasks));
await sync.close();
await db.close();
