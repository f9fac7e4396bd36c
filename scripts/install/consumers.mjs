// The programs in tests/consumers, installed as their lock files say, below target/consumers. They are no packages of the
// repository: nothing but their tests needs them, and they are large.
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, run } from '../run/step.mjs';

const NAMES = ['next', 'tools'];
const FILES = ['package.json', 'package-lock.json'];

/** The folder in which a consumer's packages are installed. */
export function consumerFolder(name) {
  return join(root, 'target', 'consumers', name);
}

/** Installs them where the lock file has changed. No script of a package is run. */
export async function installConsumers() {
  for (const name of NAMES) {
    const folder = consumerFolder(name);
    const isSame = FILES.every((file) => read(folder, file) === read(join(root, 'tests', 'consumers', name), file));
    if (isSame && existsSync(join(folder, 'node_modules', '.package-lock.json'))) {
      console.log(`${name}: in step with its lock file`);
      continue;
    }
    mkdirSync(folder, { recursive: true });
    for (const file of FILES) copyFileSync(join(root, 'tests', 'consumers', name, file), join(folder, file));
    await run('npm', ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund']);
  }
}

function read(folder, file) {
  return existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : undefined;
}

await main(import.meta.url, installConsumers);
