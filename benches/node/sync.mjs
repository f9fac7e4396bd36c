// A whole warm sync of 100, 1,000 and 10,000 new vectors between two files over loopback QUIC, called from Node.
// Both nodes live in this process. The time runs from the call of sync() until its promise has resolved.
import { createVectorSync } from '@agentic-flow/sqlite-vector';
import { SHARD, ensure, inFolder, items, median, openDatabase, row, timed } from './support/measure.mjs';

const RUNS = 5;
const SIZES = [100, 1_000, 10_000];
// Before anything is measured: the connection is made, and its congestion window has grown.
const WARM_UP = 2_000;

await inFolder(async (folder) => {
  const [near, far] = await Promise.all([openDatabase(folder, 'near'), openDatabase(folder, 'far')]);
  const caller = await createVectorSync(near, 'near');
  const listener = await createVectorSync(far, 'far');
  const address = await listener.listen('127.0.0.1:0');
  let next = 0;

  async function run(count) {
    for (const end = next + count; next < end; next += Math.min(1_000, count)) {
      await near.insertBatch(items(next, Math.min(1_000, count)));
    }
    // Background checkpoints of what was inserted belong to no run.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { took, value } = await timed(() => caller.sync(SHARD, address));
    ensure(value.success, `the sync succeeds: ${value.error}`);
    ensure(value.changesSent === count, `${count} changes are sent, not ${value.changesSent}`);
    return { took, bytes: value.bytesSent };
  }

  await run(WARM_UP);
  console.log(`Milliseconds, median of ${RUNS} runs; new vectors of 384 dimensions.\n`);
  row('vectors', 'sync', 'bytes sent', 'all runs');
  row('---:', '---:', '---:', '---');
  for (const count of SIZES) {
    const runs = [];
    for (let index = 0; index < RUNS; index += 1) runs.push(await run(count));
    const times = runs.map(({ took }) => took);
    row(count, median(times), runs[0].bytes, times.map((time) => time.toFixed(1)).join(' '));
  }
  const empty = [];
  for (let index = 0; index < RUNS; index += 1) empty.push((await run(0)).took);
  row(0, median(empty), '', empty.map((time) => time.toFixed(1)).join(' '));
  ensure((await near.digest()) === (await far.digest()), 'both hold the same');

  await caller.close();
  await listener.close();
  await Promise.all([near.close(), far.close()]);
});
