// What the tests of consumers share: their packages, the packed tarballs beside them, and programs that are run to the end.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { consumerFolder } from '../../scripts/install/consumers.mjs';
import { hostPackage } from '../../scripts/release/pack.mjs';
import { NAME, platformTarball, rootTarball } from '../packaging/support.mjs';

export { NAME, folder, node, platformTarball, project, rootTarball, write } from '../packaging/support.mjs';
export { consumerFolder } from '../../scripts/install/consumers.mjs';

/** Works with every part of the package that runs in Node, and prints one line if all went well. */
export const WORK = `
import { VectrDB } from '${NAME}';
import { VersionVector } from '${NAME}/delta';
const db = await VectrDB.open({ memoryMode: true });
await db.insert([1, 0], { title: 'one' }, { id: 'a' });
const [found] = await db.search([1, 0.1], 1);
await db.close();
console.log(found.id, found.metadata.title, VersionVector.compare(new Map(), new Map([['a', 1]])));
`;
export const DONE = 'a one -1\n';

/** Loads a package of the tools. */
export function tool(name) {
  return createRequire(join(consumerFolder('tools'), 'package.json'))(name);
}

/** The path of a file that a package of the tools has. */
export function toolFile(...path) {
  return join(consumerFolder('tools'), 'node_modules', ...path);
}

/** Unpacks both tarballs as packages of the folder `where`, as npm would. */
export function unpack(where) {
  for (const [name, tarball] of [[NAME, rootTarball()], [hostPackage().manifest.name, platformTarball()]]) {
    const place = join(where, 'node_modules', name);
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '-C', place, '--strip-components=1']);
  }
}

/** Runs a program in `where`. Resolves to its output, or rejects with an error that has its `stdout` and `stderr`. */
export async function run(where, program, args, env = {}) {
  const options = { cwd: where, encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 1 << 26 };
  const { stdout } = await promisify(execFile)(program, args, options);
  return stdout;
}

/** Starts a server in Node, which is ended with the test. Resolves once it has printed `ready`. */
export async function serving(t, where, args, env, ready) {
  const options = { cwd: where, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(process.execPath, args, options);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.after(async () => {
    child.kill();
    await ended;
  });
  let said = '';
  await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
        if (said.includes(ready)) resolve();
      });
    }
    ended.then(() => reject(new Error(`the server ended: ${said}`)));
  });
}
