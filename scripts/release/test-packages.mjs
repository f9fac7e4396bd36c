// Tests packed tarballs on this machine as they are: `VECTR_PACKAGES=FOLDER node scripts/release/test-packages.mjs`. Needs Node
// and nothing else: no Rust, and no package from node_modules.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { platformTarball, rootTarball } from '../../tests/packaging/tarballs.mjs';
import { filesUnder } from '../run/files.mjs';
import { hostPackage } from './pack.mjs';
import { main, root, run, step } from '../run/step.mjs';

await main(import.meta.url, async () => {
  await step('installed in empty projects', () => nodeTests(['tests/packaging/install.test.mjs']));
  await step('unpack them into dist/', unpack);
  // The tests of the typings need TypeScript, and say the same on every platform.
  const files = filesUnder('tests/node', (path) => path.endsWith('.test.mjs') && !path.includes('typings'));
  await step('Node tests', () => nodeTests(files));
});

// Where the Node tests find the package by its own name.
function unpack() {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  mkdirSync(join(root, 'dist'));
  tar(['-xzf', rootTarball(), '--strip-components=1', 'package/dist'], root);
  tar(['-xzf', platformTarball(), '--strip-components=1', `package/${hostPackage().addon}`], join(root, 'dist'));
}

function tar(args, cwd) {
  execFileSync('tar', args, { cwd, stdio: 'inherit' });
}

function nodeTests(files) {
  return run('node', ['--expose-gc', '--test', '--test-reporter=spec', ...files]);
}
