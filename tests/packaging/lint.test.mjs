// What the usual critics of npm packages say about the tarballs: nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folder, platformTarball, rootTarball, tool } from './support.mjs';

const tarball = rootTarball();

test('publint --strict is content with the root package', () => publint(tarball));

test('publint --strict is content with the platform package', () => publint(platformTarball()));

// Left out by name, so that no rule is switched off for the others: these are ES modules on purpose, for pages and edge
// workers, where nothing else exists. They are checked below as such.
const FOR_PAGES = ['./delta/slim', './delta/module'];

test('attw finds the right types for every entry, from ES modules and from CommonJS', () =>
  attw('node16', '--exclude-entrypoints', ...FOR_PAGES));

test('attw finds the right types for the ES modules of pages and edge workers', () =>
  attw('esm-only', '--entrypoints', ...FOR_PAGES));

async function publint(path) {
  assert.match(await said('publint/src/cli.js', 'run', path, '--strict'), /All good!/);
}

// It exits with another code than 0 where it finds something. node10 knows no `exports`, and so none of our entries.
async function attw(profile, ...which) {
  const args = [tarball, '--profile', profile, '--no-color', '--no-emoji', '--no-definitely-typed', ...which];
  assert.match(await said('@arethetypeswrong/cli/dist/index.js', ...args), /node16 \(from ESM\)/);
}

function said(path, ...args) {
  return tool(folder(), path, args).catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
}
