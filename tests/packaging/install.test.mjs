// The tarballs work in empty projects: every entry point, from ES modules and from CommonJS, with one class identity.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { hostPackage, platformPackages } from '../../scripts/release/pack.mjs';
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

for (const entry of ['', '/sync', '/transport']) {
  // Node 20 ends the process where a CommonJS module throws while an ES module imports it: then nobody could catch this.
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

// It did not even import, though the WASM was in the package: pages rendered on a server failed.
test(`'${NAME}/delta' without its platform package runs on WASM, with the same results`, async () => {
  const without = project([rootTarball()]);
  const { found, ...expected } = DONE;
  const report = 'work(delta).then((done) => console.log(JSON.stringify(done)))';
  write(without, 'a.mjs', `import * as delta from '${NAME}/delta';\n${BROWSER_WORK}\n${report}`);
  write(without, 'a.cjs', `const delta = require('${NAME}/delta');\n${BROWSER_WORK}\n${report}`);
  for (const file of ['a.mjs', 'a.cjs']) assert.deepEqual(JSON.parse(await node(without, [file])), expected);
});

test('the command without the platform package says the same, without a stack', async () => {
  const without = project([rootTarball()]);
  const command = join('node_modules', NAME, 'dist/command.js');
  const failed = await node(without, [command, 'status', 'a.db', '--json']).catch((error) => error);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^vectr: ERR_ADDON: the compiled addon .* is not installed\. Install it: npm install .*\n$/);
  const { error, errorCode } = JSON.parse(failed.stdout);
  assert.equal(errorCode, 'ERR_ADDON');
  assert.ok(failed.stderr.includes(error));
});

test('a platform package of another version is refused by name', async () => {
  const { mixed, installed, load } = altered();
  const { manifest } = hostPackage();
  write(mixed, join(installed, 'package.json'), JSON.stringify({ ...manifest, version: '0.0.1' }));
  assert.match(await load(), /^ERR_ADDON .* has version 0\.0\.1, .*npm install /);
});

test('the packages of another system are named', async () => {
  const { mixed, installed, load } = altered();
  const other = platformPackages().find(({ platform }) => platform !== hostPackage().platform);
  const { addon, platform } = other;
  write(mixed, join('node_modules', `${NAME}-${platform}`, addon), 'anything');
  rmSync(join(mixed, installed), { recursive: true });
  assert.match(await load(), new RegExp(`^ERR_ADDON .* is not installed, but that of ${platform}\\. `));
});

// The process ended with a bus error, without a word.
test('an addon that was cut off, or is something else, is refused before it is loaded', async () => {
  const { mixed, installed, load } = altered();
  const file = join(mixed, installed, hostPackage().addon);
  const { size } = statSync(file);
  for (const length of [size - 1, size >> 1, 5000, 40, 3, 0]) {
    truncateSync(file, length);
    const said = /^ERR_ADDON the compiled addon .* is damaged: it (is empty|has .*)\. Remove .* npm install /;
    assert.match(await load(), said, `${length} bytes`);
  }
  write(mixed, join(installed, hostPackage().addon), 'version https://git-lfs.github.com/spec/v1\n'.repeat(100));
  assert.match(await load(), /^ERR_ADDON .* is damaged: it is no compiled code of this system\. /);
  rmSync(file);
  assert.match(await load(), /^ERR_ADDON .* is not installed\. /);
});

test('the deltas run on WASM where the addon is damaged', async () => {
  const { mixed, installed } = altered();
  truncateSync(join(mixed, installed, hostPackage().addon), 5000);
  write(mixed, 'a.cjs', `console.log(require('${NAME}/delta').VersionVector.compare(new Map(), new Map([['a', 1]])))`);
  assert.equal(await node(mixed, ['a.cjs']), '-1\n');
});

// The layout that Electron's packers write. Electron itself resolves the first path to the second.
test('an addon outside of an archive of Electron is found', async () => {
  const { mixed, installed } = altered();
  const main = 'app.asar/main.cjs';
  cpSync(join(mixed, 'node_modules', NAME), join(mixed, 'app.asar/node_modules', NAME), { recursive: true });
  cpSync(join(mixed, installed), join(mixed, 'app.asar', installed), { recursive: true });
  cpSync(join(mixed, installed), join(mixed, 'app.asar.unpacked', installed), { recursive: true });
  // Within the archive there are bytes that no system can load.
  write(mixed, join('app.asar', installed, hostPackage().addon), 'within the archive');
  write(mixed, main, `console.log(typeof require('${NAME}').VectrDB)`);
  assert.equal(await node(mixed, [main]), 'function\n');
});

/** A project with both packages, the second of which a test is about to alter, and what loading the first says then. */
function altered() {
  const mixed = project([rootTarball(), platformTarball()]);
  write(mixed, 'main.cjs', `try { require('${NAME}') } catch (error) { console.log(error.code, error.message) }`);
  const installed = join('node_modules', hostPackage().manifest.name);
  return { mixed, installed, load: () => node(mixed, ['main.cjs']) };
}
