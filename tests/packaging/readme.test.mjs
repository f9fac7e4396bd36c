// The README's first screen, pasted into an empty folder with the packed tarballs, prints what the README says. Every other
// block of the README is run or compiled by a test, too.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NAME, node, platformTarball, project, root, rootTarball, write } from './support.mjs';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = blocksOf(readme);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const cargo = readFileSync(join(root, 'Cargo.toml'), 'utf8');

test('the first screen installs in an empty folder, runs, and prints what it says', async () => {
  const [install, program, output] = blocks;
  assert.deepEqual([install.language, program.language, output.language], ['sh', 'js', 'text']);
  assert.equal(install.code, `npm install ${NAME}\n`);
  const [, file] = /^\/\/ (\w+\.mjs):/.exec(program.code);
  // The same command with the tarballs in the place of the name.
  const where = project([rootTarball(), platformTarball()]);
  write(where, file, program.code);
  assert.equal(await node(where, [file]), output.code);
});

test('the program of the first screen is short', () => {
  const lines = blocks[1].code.split('\n').filter((line) => line !== '' && !line.startsWith('//'));
  assert.ok(lines.length <= 15, `${lines.length} lines`);
});

test('both set-up commands are on the first screen, and exist', () => {
  const first = readme.slice(0, readme.indexOf('\n## '));
  for (const script of ['demo', 'test']) {
    assert.match(first, new RegExp(`^npm run ${script} |^npm ${script} `, 'm'));
    assert.ok(manifest.scripts[script]);
  }
});

test('every block is of a kind that a test runs', () => {
  const known = {
    // tests/node/documents.test.mjs
    js: () => true,
    // Compared above.
    text: (code) => code === blocks[2].code,
    // The same block is the example of a crate's README.
    'rust,no_run': (code) => readFileSync(join(root, 'crates/sync/README.md'), 'utf8').includes(code),
    sh: (code) => code.trim().split('\n').every(isKnownCommand),
  };
  for (const { language, code } of blocks) assert.ok(known[language]?.(code), `${language}:\n${code}`);
});

test('the badges say what the manifests say', () => {
  const [, rust] = /^rust-version = "(.*)"$/m.exec(cargo);
  assert.ok(readme.includes(`![Node.js ${manifest.engines.node.replace('>=', '')} or newer]`));
  assert.ok(readme.includes(`![Rust ${rust} or newer]`));
  assert.ok(readme.includes(`[Licence: ${manifest.license.replace(' OR ', ' or ')}]`));
  const [, workflow] = /workflows\/([\w-]+\.yml)\/badge\.svg/.exec(readme);
  assert.ok(existsSync(join(root, '.github/workflows', workflow)));
  assert.ok(readme.includes(manifest.repository.url.replace(/^git\+|\.git$/g, '')));
});

test('the README has six figures, each with its command', () => {
  const section = readme.split('\n## ').find((text) => text.startsWith('Performance'));
  const rows = section.split('\n').filter((line) => line.startsWith('| ')).slice(2);
  assert.equal(rows.length, 6);
  const all = readFileSync(join(root, 'docs/performance.md'), 'utf8');
  for (const row of rows) {
    const [, command] = /\| (`[^`]+`) \|$/.exec(row);
    assert.ok(all.includes(command), command);
  }
});

// `npm install NAME`, `npm run SCRIPT`, `npm test`, `cargo add CRATE...`
function isKnownCommand(line) {
  const [program, verb, ...names] = line.replace(/ +#.*/, '').split(' ');
  if (program === 'npm') return verb === 'install' ? names[0] === NAME : (names[0] ?? verb) in manifest.scripts;
  const dependency = (name) => name.startsWith('-') || new RegExp(`^${name} = `, 'm').test(cargo) || /^[\w-]+(,[\w-]+)+$/.test(name);
  return program === 'cargo' && verb === 'add' && names.every(dependency);
}

function blocksOf(text) {
  const fenced = /^( *)```([\w,]+)\n([^]*?)^\1```$/gm;
  return [...text.matchAll(fenced)].map(([, , language, code]) => ({ language, code }));
}
