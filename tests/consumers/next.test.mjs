// An application of Next.js: a route that opens a database, a component rendered on the server, and one that a browser runs
// too. Turbopack found no addon that was installed, and `standalone` left it out.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { consumerFolder, folder, run, serving, unpack } from './support.mjs';

const app = consumerFolder('next');

before(() => {
  rmSync(join(app, 'app'), { recursive: true, force: true });
  const sources = fileURLToPath(new URL('next', import.meta.url));
  cpSync(sources, app, { recursive: true, filter: (path) => !/package(-lock)?\.json$/.test(path) });
  unpack(app);
});

test('Turbopack builds it without configuration, and the standalone server runs elsewhere', (t) =>
  builtAndServed(t, 'turbopack'));

test('webpack builds it with one line of configuration, and the standalone server runs elsewhere', (t) =>
  builtAndServed(t, 'webpack', '--webpack'));

async function builtAndServed(t, bundler, ...flags) {
  rmSync(join(app, bundler), { recursive: true, force: true });
  const env = { CONSUMER_DIST: bundler, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };
  const built = run(app, process.execPath, ['node_modules/next/dist/bin/next', 'build', ...flags], env);
  await built.catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));

  // What is not among the traced files is not there.
  const elsewhere = folder();
  cpSync(join(app, bundler, 'standalone'), elsewhere, { recursive: true });
  const port = await freePort();
  await serving(t, elsewhere, ['server.js'], { ...env, PORT: String(port), HOSTNAME: '127.0.0.1' }, 'Ready');
  const get = (path) => fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.text());
  assert.equal(await get('/vectors'), '{"id":"a","title":"one"}');
  const page = await get('/');
  assert.match(page, /<p>server: before<\/p><p>client: concurrent<\/p>/);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
