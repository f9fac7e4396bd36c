// A request and its answer between two transports of this process, called from Node. The bare round trip of the
// program `request`, which ran before, is what to compare with; QUIC's own is measured here as well, by a send.
import { QuicTransport } from '@agentic-flow/sqlite-vector/transport';
import { median, row, timed } from './support/measure.mjs';

const ROUNDS = 3_000;
const WARM_UP = 500;
const payload = { operation: 'shard_sync', shardId: 'phrases', vectors: 1000 };

const [near, far] = [await QuicTransport.create(), await QuicTransport.create()];
far.onMessage((_, message) => message);
const address = await far.listen(0);
const times = { request: [], send: [] };
for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
  for (const call of Object.keys(times)) {
    const { took } = await timed(() => near[call](address, { id: String(round), type: 'task', payload }));
    if (round >= WARM_UP) times[call].push(took * 1000);
  }
}
console.log(`Microseconds, ${ROUNDS} rounds.\n`);
row('', 'p50', 'p99');
row('---', '---:', '---:');
for (const [call, took] of Object.entries(times)) {
  const p99 = took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)];
  row(call, median(took), p99.toFixed(1));
}
await near.close();
await far.close();
