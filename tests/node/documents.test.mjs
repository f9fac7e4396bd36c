// Every block of JavaScript in the documents runs, as it stands there, in a process of its own. The blocks of
// docs/database-deltas.md run in source-documents.test.mjs, those of docs/command.md in command-docs.test.mjs, and the
// README's first screen also in tests/packaging/readme.test.mjs, from the packed tarballs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { folder } from './support.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const actor = fileURLToPath(new URL('actors/block.mjs', import.meta.url));

// The blocks of a guide that tells one story are one program; elsewhere each block runs alone, in the surroundings that
// the actor provides.
const documents = {
  'README.md': 'blocks',
  'docs/QUIC-SYNC.md': 'blocks',
  'docs/browser.md': 'blocks',
  'docs/delta.md': 'program',
  'docs/messages.md': 'blocks',
};
/** Documents whose blocks another test runs. */
const elsewhere = ['docs/database-deltas.md'];

for (const [document, form] of Object.entries(documents)) {
  const blocks = blocksOf(readFileSync(join(root, document), 'utf8'));
  assert.ok(blocks.length > 0, `${document} has no block`);
  const programs = form === 'program' ? [{ line: blocks[0].line, code: blocks.map(({ code }) => code).join('\n') }] : blocks;
  for (const { line, code } of programs) {
    test(`${document}:${line} runs as it stands`, { timeout: 120_000 }, async () => {
      const place = project();
      writeFileSync(join(place, 'block.mjs'), code);
      await promisify(execFile)(process.execPath, [actor, join(place, 'block.mjs')], { cwd: place });
    });
  }
}

test('no document has a block of JavaScript that no test runs', () => {
  const guides = readdirSync(join(root, 'docs'), { recursive: true }).filter((path) => path.endsWith('.md'));
  const withBlocks = ['README.md', ...guides.map((path) => `docs/${path.replaceAll('\\', '/')}`)].filter(
    (document) => blocksOf(readFileSync(join(root, document), 'utf8')).length > 0,
  );
  assert.deepEqual(withBlocks.sort(), [...Object.keys(documents), ...elsewhere].sort());
});

test('every relative link of a document leads to a file', () => {
  const pages = ['.', 'crates', 'docs', 'examples', 'benches', 'tests'].flatMap((place) =>
    readdirSync(join(root, place), { recursive: place !== '.' })
      .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
      .map((path) => join(place, path)),
  );
  assert.ok(pages.length > 30, `${pages.length} pages`);
  const broken = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
      .map(([, target]) => join(page, '..', target))
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${page}: ${path}`),
  );
  assert.deepEqual(broken, []);
});

test('a block that fails fails its test', async () => {
  const place = project();
  writeFileSync(join(place, 'block.mjs'), "await sync.resolveConflict('no such conflict', undefined);");
  await assert.rejects(promisify(execFile)(process.execPath, [actor, join(place, 'block.mjs')], { cwd: place }), /ERR_/);
});

/** The blocks between "```js" and "```", also inside lists. A block with another mark ("```js ignore") does not count. */
function blocksOf(text) {
  const blocks = [];
  let block;
  text.split('\n').forEach((line, index) => {
    const bare = line.trim();
    if (block && bare === '```') blocks.push(block);
    if (bare.startsWith('```')) block = bare === '```js' ? { line: index + 2, code: '' } : undefined;
    else if (block) block.code += `${line}\n`;
  });
  return blocks;
}

/** A project with the package, and with certificates where an operator would have put them. */
function project() {
  const place = folder();
  mkdirSync(join(place, 'node_modules/@agentic-flow'), { recursive: true });
  symlinkSync(root, join(place, 'node_modules/@agentic-flow/sqlite-vector'), 'dir');
  for (const [from, to] of [['ca.pem', 'ca.pem'], ['alpha.pem', 'agent-1.pem'], ['alpha.key', 'agent-1.key']]) {
    copyFileSync(join(root, 'tests/node/certificates', from), join(place, to));
  }
  return place;
}
