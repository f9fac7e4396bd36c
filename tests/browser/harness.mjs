// Runs the spec in a page or a worker, and collects what came of each of its tests.
import { assert } from './assert.mjs';

/** Runs all tests of `spec` against an entry of the package, one after the other. Resolves to a list that can be sent
 *  anywhere: `{ name, failure? }`, the failure as text with its stack. */
export async function runSpec(api, spec, vectors) {
  const tests = [];
  const test = (name, work) => tests.push({ name, work });
  await spec(api, { test, assert, vectors });
  const results = [];
  for (const { name, work } of tests) results.push(await outcome(name, work));
  return results;
}

/** One more test of a page's own. */
export async function outcome(name, work) {
  try {
    await work();
    return { name };
  } catch (error) {
    return { name, failure: described(error) };
  }
}

function described(error) {
  const code = error?.code === undefined ? '' : ` [${error.code}]`;
  const cause = error?.cause === undefined ? '' : `\ncaused by ${described(error.cause)}`;
  return `${error?.stack ?? String(error)}${code}${cause}`;
}
