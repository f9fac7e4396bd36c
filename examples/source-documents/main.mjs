// Runs each example of the two source documents in a process of its own, against a server on this machine.
import { strict as assert } from 'node:assert';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VectrDB, createVectorSync } from '@agentic-flow/sqlite-vector';
import ts from 'typescript';

const here = fileURLToPath(new URL('.', import.meta.url));
// Below the package, which the programs find by its own name.
const programs = fileURLToPath(new URL('../../target/examples', import.meta.url));
const shards = await mkdtemp(join(tmpdir(), 'vectr-documents-'));
const db = await VectrDB.open({ path: join(shards, 'server.db') });
const sync = await createVectorSync(db, 'server');

try {
  for (const shardId of ['agent_001', 'shard-1', 'shard-2']) {
    await db.insert([0.25, 0.75, 0.5].slice(0, shardId === 'agent_001' ? 3 : 2), { text: 'seen' }, { shardId });
  }
  const address = await sync.listen('127.0.0.1:0');
  const names = await compile();
  const examples = names.filter((name) => name !== 'surroundings');
  for (const name of examples) {
    console.log(`\n-- ${name}`);
    await run(name, { EXAMPLE_SHARDS: shards, EXAMPLE_SERVER: address, EXAMPLE_PEER: address });
  }
  assert.equal(await db.count({ shardId: 'agent_001' }), 2, "the agent's vector is here");
  console.log(`\n${examples.length} examples ran`);
} finally {
  await sync.close();
  await db.close();
  await rm(shards, { recursive: true, force: true });
}

// Their types are checked by `tsc -p examples/source-documents`.
async function compile() {
  await mkdir(programs, { recursive: true });
  const files = (await readdir(here)).filter((name) => name.endsWith('.mts'));
  for (const file of files) {
    const { outputText } = ts.transpileModule(await readFile(join(here, file), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 },
    });
    await writeFile(join(programs, file.replace('.mts', '.mjs')), outputText);
  }
  return files.map((file) => file.slice(0, -'.mts'.length));
}

async function run(name, environment) {
  const child = fork(join(programs, `${name}.mjs`), { env: { ...process.env, ...environment } });
  child.on('message', () => db.upsert('news', [1, 0], { text: 'written at the peer' }, { shardId: 'shard-1' }));
  const [code, signal] = await once(child, 'exit');
  assert.deepEqual([code, signal], [0, null], `${name} failed`);
}
