// Other ways to install than npm's default, and threads that come and go.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostPackage } from '../../scripts/release/pack.mjs';
import { DONE, NAME, WORK, folder, node, platformTarball, project, rootTarball, run, toolFile, write } from './support.mjs';

const host = hostPackage().manifest.name;

test('pnpm: each package sees its own dependencies only', async () => {
  const where = folder();
  const dependencies = { [NAME]: `file:${rootTarball()}`, [host]: `file:${platformTarball()}` };
  write(where, 'package.json', JSON.stringify({ name: 'consumer', private: true, dependencies }));
  const args = ['install', '--offline', '--ignore-scripts', '--store-dir', join(where, '.store')];
  await run(where, process.execPath, [toolFile('pnpm/bin/pnpm.cjs'), ...args], { XDG_CACHE_HOME: join(where, '.cache') });
  write(where, 'main.mjs', WORK);
  assert.equal(await node(where, ['main.mjs']), DONE);
});

test('npm with --ignore-scripts: nothing was to be run', async () => {
  const where = installed('--ignore-scripts');
  write(where, 'main.mjs', WORK);
  assert.equal(await node(where, ['main.mjs']), DONE);
});

test('npm with --omit=optional: deltas work, and all else says what to install', async () => {
  const where = installed('--omit=optional');
  assert.ok(!existsSync(join(where, 'node_modules', host)));
  write(where, 'main.mjs', WORK);
  const { stderr } = await node(where, ['main.mjs']).catch((error) => error);
  assert.match(stderr, /VectrError: the compiled addon .* is not installed\. Install it: npm install .*--omit=optional/);
  const work = "console.log(delta.VersionVector.increment(new Map(), 'a'));";
  write(where, 'delta.mjs', `import * as delta from '${NAME}/delta';\n${work}`);
  assert.equal(await node(where, ['delta.mjs']), "Map(1) { 'a' => 1 }\n");
});

test('a pool of threads that end while they work ends with the program', async () => {
  const where = project([rootTarball(), platformTarball()]);
  write(where, 'worker.mjs', POOLED);
  write(where, 'main.mjs', POOL);
  assert.equal(await node(where, ['main.mjs']), 'ended\n');
});

/** A project that has the addon's package as an optional dependency. */
function installed(flag) {
  const where = folder();
  const [dependencies, optionalDependencies] = [{ [NAME]: `file:${rootTarball()}` }, { [host]: `file:${platformTarball()}` }];
  write(where, 'package.json', JSON.stringify({ name: 'consumer', private: true, dependencies, optionalDependencies }));
  const args = ['install', '--offline', '--cache', join(where, '.cache'), '--no-audit', '--no-fund', flag];
  execFileSync('npm', args, { cwd: where, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
  return where;
}

const POOLED = `
import { parentPort } from 'node:worker_threads';
import { VectrDB } from '${NAME}';
const db = await VectrDB.open({ memoryMode: true });
for (let id = 0; ; id++) {
  await db.insert([id, 1], undefined, { id: String(id) });
  await db.search([1, 1], 3);
  if (id === 3) parentPort.postMessage('busy');
}
`;

// Each thread is cut off in the middle of a call.
const POOL = `
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
for (let round = 0; round < 4; round++) {
  const workers = Array.from({ length: 3 }, () => new Worker(new URL('worker.mjs', import.meta.url)));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  await Promise.all(workers.map((worker) => worker.terminate()));
}
console.log('ended');
`;
