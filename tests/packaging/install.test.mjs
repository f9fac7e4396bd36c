// The tarballs work in empty projects: every entry point, from ES modules and from CommonJS, with one class identity.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { hostPackage } from '../../scripts/release/pack.mjs';
import { NAME, node, platformTarball, project, rootTarball, write } from './support.mjs';

// Some real work with each entry, on the names that it gave; prints nothing unless all went well.
const WORK = `
async function work({ VectrDB }, { createVectorSync }, { QuicTransport }, { DeltaEncoder, ConflictResolver, VersionVector }) {
  const db = await VectrDB.open({ nodeId: 'consumer' });
  await db.insert([1, 0], { title: 'one' }, { id: 'a' });
  await db.insert([0, 1], undefined, { id: 'b' });
  const [first] = await db.search([1, 0.1], 1);
  const sync = await createVectorSync(db, 'consumer');
  const { vectorCount } = await sync.getShardState('default');
  await sync.close();
  await db.close();
  const transport = await QuicTransport.create();
  transport.onMessage((_, { id, payload }) => ({ id, type: 'result', payload }));
  const address = await transport.listen(0);
  const { payload } = await transport.request(address, { id: '1', type: 'task', payload: new Float32Array([4]) });
  await transport.close();

  const change = {
    id: 1, operation: 'insert', shardId: 's', vectorId: 'a', vector: new Float32Array([1, 2, 3]),
    metadata: { n: 1 }, timestamp: 1_700_000_000_000_000, sourceNode: 'x', versionVector: new Map([['x', 1]]),
  };
  const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('s', [change], 'lz4'));
  const [back] = DeltaEncoder.decode(DeltaEncoder.deserialize(bytes));
  const later = { ...change, timestamp: change.timestamp + 1, sourceNode: 'y', versionVector: new Map([['y', 1]]) };
  const { winner, conflict } = new ConflictResolver().resolve(change, later);
  return {
    found: [first.id, first.metadata.title, vectorCount, ...payload],
    decoded: [...back.vector, back.metadata.n, back.sourceNode],
    winner: [winner.sourceNode, conflict.id.length],
    relation: VersionVector.relation(change.versionVector, later.versionVector),
  };
}
`;
const DONE = { found: ['a', 'one', 2, 4], decoded: [1, 2, 3, 1, 'x'], winner: ['y', 32], relation: 'concurrent' };

const ESM = `
import * as all from '${NAME}';
import * as sync from '${NAME}/sync';
import * as transport from '${NAME}/transport';
import * as delta from '${NAME}/delta';
${WORK}
console.log(JSON.stringify(await work(all, sync, transport, delta)));
`;

const COMMONJS = `
const all = require('${NAME}');
const sync = require('${NAME}/sync');
const transport = require('${NAME}/transport');
const delta = require('${NAME}/delta');
${WORK}
work(all, sync, transport, delta).then((done) => console.log(JSON.stringify(done)));
`;

const IDENTITY = `
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const loaded = { '': null, '/sync': null, '/transport': null, '/delta': null };
for (const entry of Object.keys(loaded)) {
  const commonjs = require('${NAME}' + entry);
  const { default: none, ...esm } = await import('${NAME}' + entry);
  assert.deepEqual(Object.keys(esm).sort(), Object.keys(commonjs).sort(), 'names of ' + entry);
  for (const name of Object.keys(esm)) assert.equal(esm[name], commonjs[name], entry + ' ' + name);
  loaded[entry] = esm;
}
for (const entry of ['/sync', '/transport', '/delta']) {
  for (const name of Object.keys(loaded[entry])) {
    if (!(name in loaded[''])) continue;
    assert.equal(loaded[entry][name], loaded[''][name], entry + ' ' + name);
  }
}
assert.equal(loaded['/sync'].VectorQuicSync, loaded[''].VectorQuicSync);
assert.equal(loaded['/delta'].DeltaEncoder, loaded[''].DeltaEncoder);
const { version } = require('${NAME}/package.json');
console.log(version);
`;

const BROWSER_WORK = WORK.replace('{ VectrDB }, { createVectorSync }, { QuicTransport }, ', '')
  .replace(/ {2}const db =[^]*?await transport.close\(\);\n/, '')
  .replace(/ +found:.*\n/, '');

// As a bundler or a page takes them, but in Node: first without the module, then with it. There is one in a process.
const WEBASSEMBLY = `
import * as slim from '${NAME}/delta/slim';
import { moduleBytes } from '${NAME}/delta/module';
${BROWSER_WORK}
const codes = [];
try { slim.VersionVector.compare(new Map(), new Map()); } catch (error) { codes.push(error.code); }
try { await work(slim); } catch (error) { codes.push(error.code); }
if (process.argv[2] === 'slim') await slim.initialize(moduleBytes());
else await import('./node_modules/${NAME}/dist/delta.browser.mjs');
console.log(JSON.stringify([codes, await work(slim)]));
`;

let where;
before(() => {
  where = project([rootTarball(), platformTarball()]);
});

test('ES modules import every entry', async () => {
  write(where, 'main.mjs', ESM);
  assert.deepEqual(JSON.parse(await node(where, ['main.mjs'])), DONE);
});

test('CommonJS requires every entry', async () => {
  write(where, 'main.cjs', COMMONJS);
  assert.deepEqual(JSON.parse(await node(where, ['main.cjs'])), DONE);
});

test('a class is one object, however and from wherever it was imported', async () => {
  write(where, 'identity.mjs', IDENTITY);
  assert.match(await node(where, ['identity.mjs']), /^\d+\.\d+\.\d+\n$/);
});

test('the command is installed, and runs', async () => {
  const { version } = hostPackage().manifest;
  const installed = JSON.parse(readFileSync(join(where, 'node_modules', NAME, 'package.json'), 'utf8'));
  assert.deepEqual(installed.bin, { vectr: 'dist/command.js' });
  // As npm links it: npx would look for more than this project.
  const shell = process.platform === 'win32';
  const run = (...args) => execFileSync(join(where, 'node_modules', '.bin', 'vectr'), args, { cwd: where, encoding: 'utf8', shell });
  assert.equal(run('--version'), `vectr ${version}\n`);
  const { fingerprint } = JSON.parse(run('identity', '--db', 'agent.db', '--json'));
  assert.match(fingerprint, /^[0-9a-f]{64}$/);
  assert.match(run('completions', 'bash'), /complete/);
});

test('the WebAssembly entries work without the addon', async () => {
  const without = project([rootTarball()]);
  write(without, 'wasm.mjs', WEBASSEMBLY);
  const { found, ...expected } = DONE;
  for (const entry of ['slim', 'browser']) {
    const [codes, done] = JSON.parse(await node(without, ['wasm.mjs', entry]));
    assert.deepEqual(codes, ['ERR_NOT_INITIALIZED', 'ERR_NOT_INITIALIZED']);
    assert.deepEqual(done, expected);
  }
});

for (const entry of ['', '/sync', '/transport', '/delta']) {
  test(`'${NAME}${entry}' without its platform package names the one to install`, async () => {
    const without = project([rootTarball()]);
    const { name, version } = hostPackage().manifest;
    for (const [file, load] of Object.entries({ 'a.mjs': 'await import', 'a.cjs': 'require' })) {
      write(without, file, `(async () => ${load}('${NAME}${entry}'))().catch((e) => console.log(e.code, e.message))`);
      const said = await node(without, [file]);
      assert.ok(said.startsWith(`ERR_ADDON the compiled addon ${name} is not installed`), said);
      assert.ok(said.includes(`npm install ${name}@${version} `), said);
    }
  });
}

test('a platform package of another version is refused by name', async () => {
  const mixed = project([rootTarball(), platformTarball()]);
  const { addon, manifest } = hostPackage();
  const installed = join('node_modules', manifest.name);
  write(mixed, join(installed, 'package.json'), JSON.stringify({ ...manifest, version: '0.0.1' }));
  write(mixed, 'main.cjs', `try { require('${NAME}') } catch (error) { console.log(error.code, error.message) }`);
  assert.match(await node(mixed, ['main.cjs']), /^ERR_ADDON .* has version 0\.0\.1, .*npm install /);

  write(mixed, join(installed, 'package.json'), JSON.stringify(manifest));
  rmSync(join(mixed, installed, addon));
  assert.match(await node(mixed, ['main.cjs']), /^ERR_ADDON .* does not load: /);
});
