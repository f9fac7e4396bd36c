// dist/ holds what the package's exports and its command lead to, and nothing else: tsc writes a declaration for every
// module, and modules of the browser's build a CommonJS file that nobody loads.
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { root } from '../run/step.mjs';

/** Removes the files of `dist` that no entry of package.json reaches, but for compiled addons. */
export function removeUnneeded(dist) {
  const needed = reachable(dist);
  const all = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.node'))
    .map((entry) => relative(dist, join(entry.parentPath, entry.name)).replaceAll(sep, '/'));
  const unneeded = all.filter((file) => !needed.has(file));
  for (const file of unneeded) rmSync(join(dist, file));
  console.log(`${needed.size} files that the entries lead to, ${unneeded.length} others removed`);
}

function reachable(dist) {
  const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const found = new Set();
  const open = [bin, exports].flatMap(targets);
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    open.push(...references(dist, file));
  }
  return found;
}

function targets(conditions) {
  if (typeof conditions !== 'string') return Object.values(conditions).flatMap(targets);
  const file = /^(?:\.\/)?dist\/(.+)$/.exec(conditions)?.[1];
  return file === undefined ? [] : [file];
}

// What a file names by a relative path: of these, the emitted code and declarations hold string literals only.
function references(dist, file) {
  const text = readFileSync(join(dist, file), 'utf8');
  const typings = /\.d\.m?ts$/.test(file);
  const names = [...text.matchAll(/(?:\bfrom\s*|\brequire\(|\bimport\(|\bimport\s*|\)\()(['"])(\.\.?\/[^'"]+)\1/g)];
  return names
    .map(([, , name]) => posix.join(posix.dirname(file), name))
    .filter((path) => !path.startsWith('..'))
    .map((path) => (typings ? `${path.replace(/\.js$/, '')}.d.ts` : /\.m?js$/.test(path) ? path : `${path}.js`));
}
