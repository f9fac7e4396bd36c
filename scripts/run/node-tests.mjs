// Tests that run in Node.
import { delimiter, join } from 'node:path';
import { filesUnder } from './files.mjs';
import { root, run } from './step.mjs';

/** The test files in a folder. Node 20 takes no patterns, and newer ones no folders, so each is named. */
export function testFiles(folder) {
  return filesUnder(folder, (path) => path.endsWith('.test.mjs'));
}

/** Runs them with the `node` in PATH, or with the one in `folder`, which the processes that they start get too. */
export function runNodeTests(files, folder) {
  const path = [folder, join(root, 'node_modules', '.bin'), process.env.PATH].filter(Boolean).join(delimiter);
  return run('node', ['--expose-gc', '--test', '--test-reporter=spec', ...files], { PATH: path });
}
