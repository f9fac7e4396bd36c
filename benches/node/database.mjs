// The database from Node: insertBatch, get and search. What it adds to the Rust figures is the way through the addon.
import { DIMENSIONS, ensure, inFolder, items, median, openDatabase, row, timed } from './support/measure.mjs';

const RUNS = 7;

await inFolder(async (folder) => {
  console.log(`Milliseconds, median of ${RUNS} runs; vectors of ${DIMENSIONS} dimensions, files.\n`);
  row('what', 'median', 'all runs');
  row('---', '---:', '---');

  const db = await openDatabase(folder, 'database');
  let next = 0;
  for (const count of [100, 1_000, 10_000]) {
    await report(`insertBatch of ${count}`, () => {
      const batch = items(next, count);
      next += count;
      return timed(() => db.insertBatch(batch));
    });
  }
  ensure((await db.count()) === next, `${next} vectors are held`);

  const searched = await openDatabase(folder, 'searched');
  const batch = items(0, 6_000);
  await searched.insertBatch(batch);
  for (const metric of ['cosine', 'euclidean', 'dot']) {
    await report(`search of 6000, ${metric}, k 10`, async () => {
      const { took, value } = await timed(() => searched.search(batch[77].vector, 10, { metric }));
      ensure(value[0].id === batch[77].id, 'a vector is its own nearest');
      return { took };
    });
  }
  await report('get, 1000 one after the other', () => timed(async () => {
    for (const { id } of batch.slice(0, 1_000)) await searched.get(id);
  }));
  await Promise.all([db.close(), searched.close()]);
});

async function report(what, measure) {
  const times = [];
  for (let index = 0; index < RUNS; index += 1) times.push((await measure()).took);
  row(what, median(times), times.map((time) => time.toFixed(2)).join(' '));
}
