// Tests that run in Node.
import { delimiter, join } from 'node:path';
import { filesUnder } from './files.mjs';
import { root, run, runBeside } from './step.mjs';

/** The test files in a folder. Node 20 takes no patterns, and newer ones no folders, so each is named. */
export function testFiles(folder) {
  return filesUnder(folder, (path) => path.endsWith('.test.mjs'));
}

/** Runs them. */
export function runNodeTests(files) {
  return run('node', testArguments(files), searchPath());
}

/** Runs them beside others, with the `node` in a folder, which the processes that they start get too. */
export function runNodeTestsOf(folder, files) {
  return runBeside('node', testArguments(files), searchPath(folder));
}

function testArguments(files) {
  return ['--expose-gc', '--test', '--test-reporter=spec', ...files];
}

function searchPath(folder) {
  return { PATH: [folder, join(root, 'node_modules', '.bin'), process.env.PATH].filter(Boolean).join(delimiter) };
}
