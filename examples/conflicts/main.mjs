// What no rule can settle waits for a person. Three agents edit one note apart; under 'manual' all versions are kept, and
// every agent shows the same conflict. A person settles it at one of them with settle.mjs (here the answers come from a
// pipe), and the next sync makes it gone everywhere.
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVectorSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { embeddings } from '../demo/embeddings.mjs';

const NAMES = ['alice', 'bob', 'carol'];
const folder = await mkdtemp(join(tmpdir(), 'vectr-conflicts-'));

try {
  let agents = await open();
  await agents[0].db.insertBatch(embeddings(0, 3));
  await meet(agents);
  const notes = embeddings(0, 3).map(({ id }) => id);

  console.log(`Apart, all three rewrite '${notes[0]}', two of them '${notes[1]}'`);
  for (const [index, { db }] of agents.entries()) {
    await db.update(notes[0], embeddings(10 + index, 1)[0].vector, { text: `as ${NAMES[index]} sees it` });
    if (index < 2) await db.update(notes[1], embeddings(20 + index, 1)[0].vector, { text: `by ${NAMES[index]}` });
  }
  await meet(agents);
  const shown = agents.map(({ sync }) => sync.getUnresolvedConflicts('notes'));
  for (const conflicts of shown) {
    assert.deepEqual(conflicts.map(({ id }) => id).sort(), shown[0].map(({ id }) => id).sort());
    assert.deepEqual(conflicts.map(({ versions }) => versions.length).sort(), [2, 3]);
  }
  console.log(`each agent shows ${shown[0].length} conflicts, with the same ids\n`);
  await close(agents);

  // One file at a time: the tool opens bob's database in a process of its own.
  await settle(join(folder, 'bob.db'), ['2', '2']);

  agents = await open();
  await meet(agents);
  for (const { db, sync } of agents) {
    assert.deepEqual(sync.getUnresolvedConflicts(), []);
    assert.equal((await db.get(notes[0])).conflicted, false);
  }
  const digests = new Set(await Promise.all(agents.map(({ db }) => db.digest())));
  assert.equal(digests.size, 1);
  console.log(`\nafter the next sync no agent has a conflict; '${notes[0]}' reads`,
    (await agents[2].db.get(notes[0])).metadata);
  await close(agents);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function open() {
  return Promise.all(NAMES.map(async (name) => {
    const db = await VectrDB.open({ path: join(folder, `${name}.db`), shardId: 'notes' });
    return { db, sync: await createVectorSync(db, name, { conflictStrategy: 'manual' }) };
  }));
}

async function close(agents) {
  for (const { db, sync } of agents) {
    await sync.close();
    await db.close();
  }
}

/** Two rounds around the first agent: whatever one had, all have. */
async function meet([hub, ...others]) {
  const address = await hub.sync.listen('127.0.0.1:0');
  for (const { sync } of [...others, ...others]) {
    const { success, error } = await sync.sync('notes', address);
    assert.ok(success, error);
  }
}

async function settle(path, answers) {
  const tool = fileURLToPath(new URL('settle.mjs', import.meta.url));
  const person = spawn(process.execPath, [tool, path, 'bob'], { stdio: ['pipe', 'inherit', 'inherit'] });
  person.stdin.end(`${answers.join('\n')}\n`);
  const [code] = await once(person, 'exit');
  assert.equal(code, 0);
}
