// One of several processes that write one file: `writer.mjs PATH NAME COUNT`. Says `open`, `row N` of each row that was
// committed, and `done`; obeys the lines `listen`, which is answered with `address A`, and `close`.
import { createInterface } from 'node:readline';
import { VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';

const [path, name, count] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);
const db = await VectrDB.open({ path, shardId: 'shared' });
const sync = new VectorQuicSync(db, 'machine');
createInterface({ input: process.stdin }).on('line', async (line) => {
  if (line === 'listen') {
    await sync.initialize();
    say(`address ${await sync.listen('127.0.0.1:0')}`);
  } else if (line === 'close') {
    await sync.close();
    await db.close();
    process.exit(0);
  }
});
say('open');
for (let row = 0; row < Number(count); row += 1) {
  const id = `${name}-${row}`;
  if (row % 10 === 9) {
    await db.transaction(async (tx) => {
      await tx.insert([row, 1], undefined, { id });
      await new Promise((resolve) => setTimeout(resolve, 2));
    });
  } else {
    await db.insert([row, 1], undefined, { id });
  }
  say(`row ${row}`);
}
say('done');
