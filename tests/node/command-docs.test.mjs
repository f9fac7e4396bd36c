// The examples of docs/command.md run, in their order, in one folder.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { VectrDB } from '@agentic-flow/sqlite-vector';
import { runCommand, serve } from './actors/command.mjs';
import { parseMetrics } from './prometheus.mjs';
import { folder, phraseItems } from './support.mjs';

const text = readFileSync(new URL('../../docs/command.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block.trim().split('\n'));

async function write(path, shardId) {
  const db = await VectrDB.open({ path, shardId });
  await db.insertBatch(phraseItems(5));
  await db.close();
}

test('every example of docs/command.md runs', async (t) => {
  const [here, there] = [folder(), folder()];
  const inFolder = { cwd: here };
  mkdirSync(join(here, 'shards'));
  await write(join(here, 'agent.db'), 'notes');
  await write(join(here, 'shards', 'notes.db'), 'notes');
  await write(join(there, 'hub.db'), 'notes');
  const fingerprints = [];
  for (const name of ['agent.db', 'copy.db', 'hub.db']) {
    const where = name === 'hub.db' ? there : here;
    const { out } = await runCommand(t, ['identity', '--db', join(where, name), '--json']);
    fingerprints.push(JSON.parse(out).fingerprint);
  }
  const [agent, copy, pinned] = fingerprints;
  const hub = await serve(t, join(there, 'hub.db'), ['--pin', agent, '--pin', copy]);
  let served;
  const serving = async (args) => {
    const path = args[args.indexOf('serve') + 1];
    const rest = args.slice(args.indexOf(path) + 1);
    // On free ports instead of the documented ones.
    const kept = rest.filter((_, index) => ![rest[index], rest[index - 1]].some((word) => /^--(listen|http)$/.test(word)));
    served = await serve(t, path, kept, inFolder);
  };
  for (const example of examples) {
    const words = example.split(' ').map((word) =>
      word.replace('hub.example:4433', hub.listen).replace('FINGERPRINT', pinned).replace('http://127.0.0.1:4434', served?.http),
    );
    const [program, ...args] = words;
    if (args[0] === 'serve') {
      await serving(args);
    } else if (program === 'curl') {
      const answer = await fetch(args[0]);
      assert.equal(answer.status, 200, example);
      if (args[0].endsWith('/metrics')) checkMetrics(parseMetrics(await answer.text()));
    } else {
      assert.equal(program, 'vectr', example);
      const { code, out, err } = await runCommand(t, args, inFolder);
      assert.equal(code, 0, `${example}: ${out}${err}`);
      if (args.includes('--json')) JSON.parse(out);
    }
  }
  assert.ok(examples.length >= 10 && served, 'the page has its examples');
});

// Both ways: what is documented is there, and what is there is documented.
function checkMetrics(families) {
  const documented = [...text.matchAll(/^\| (`vectr_[^|]*) \| (\w+) \| ([^|]*)\|/gm)].flatMap(([, names, type, labels]) =>
    [...names.matchAll(/`(\w+)`/g)].map(([, name]) => ({ name, type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label) })),
  );
  assert.deepEqual(documented.map(({ name }) => name).sort(), [...families.keys()].sort());
  for (const { name, type, labels } of documented) {
    assert.equal(families.get(name).type, type, name);
    for (const sample of families.get(name).samples) assert.deepEqual(Object.keys(sample.labels), labels, name);
  }
}

test('every command and option that docs/command.md names exists', async (t) => {
  const help = await Promise.all(
    ['identity', 'sync', 'status', 'verify', 'serve', 'completions'].map(async (name) => (await runCommand(t, [name, '--help'])).out),
  );
  const options = new Set([...text.matchAll(/`?(--[a-z][a-z-]+)/g)].map(([, option]) => option));
  for (const option of options) assert.ok(help.some((page) => page.includes(option)), option);
});
