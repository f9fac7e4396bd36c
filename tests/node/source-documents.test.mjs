// Everything that docs/source-documents.md names exists, and the program of docs/database-deltas.md runs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path) => readFileSync(join(root, path), 'utf8');

// Paths in backticks below a folder of the repository or a file of its root, and the targets of links.
function named(path) {
  const text = read(path);
  const quoted = [...text.matchAll(/`((?:[\w.-]+\/)+[\w.-]*|[A-Z]+\.md|package\.json)`/g)].map(([, name]) => name);
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, name]) => join('docs', name));
  return { quoted, links };
}

test('every path that docs/source-documents.md names exists', () => {
  const { quoted, links } = named('docs/source-documents.md');
  // Import paths of the package look like paths of files.
  const paths = quoted.filter((name) => !name.startsWith('sqlite-vector/'));
  assert.ok(paths.length > 150, `only ${paths.length} paths found`);
  assert.deepEqual([...new Set([...paths, ...links])].filter((path) => !existsSync(join(root, path))), []);
});

test('every row about a name says what implements it and what tests it', () => {
  const sections = read('docs/source-documents.md').split(/^## /m);
  for (const section of sections.filter((text) => /document: names/.test(text.split('\n')[0]))) {
    const rows = section.split('\n').filter((line) => line.startsWith('| ')).slice(2);
    assert.ok(rows.length > 10);
    for (const row of rows) {
      const [, , implementing, testing] = row.split('|');
      for (const cell of [implementing, testing]) assert.match(cell, /`[^`]*\/|the same/, row);
    }
  }
});

test('the program of docs/database-deltas.md runs, and prints what it says', (t) => {
  const blocks = [...read('docs/database-deltas.md').matchAll(/^```js\n([^]*?)^```/gm)].map(([, code]) => code);
  assert.equal(blocks.length, 4);
  // Below the package, which the program finds by its own name.
  const folder = mkdtempSync(join(root, 'dist', 'program-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'program.mjs');
  writeFileSync(program, blocks.join('\n'));
  const printed = execFileSync(process.execPath, [program], { encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(printed, ["[ 'b' ]", "[ 'b' ]", 'true', '4', '4', '2', '2', 'up to 1: first']);
  const said = blocks.join('').match(/console\.log\(.*\/\/ .*$/gm);
  assert.equal(said.length, 6, 'each output is stated beside its line');
});
