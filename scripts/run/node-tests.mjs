// Tests that run in Node.
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { filesUnder } from './files.mjs';
import { root, run, runBeside } from './step.mjs';

/** The test files in a folder. Node 20 takes no patterns, and newer ones no folders, so each is named. */
export function testFiles(folder) {
  return filesUnder(folder, (path) => path.endsWith('.test.mjs'));
}

/** Runs them, one file on each core: by itself Node leaves one idle. */
export function runNodeTests(files, atATime = availableParallelism()) {
  return run('node', [`--test-concurrency=${atATime}`, ...testArguments(files)], searchPath());
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
