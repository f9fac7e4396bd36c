// The ESM side of the package: wrappers that hand out the same objects as the CommonJS build, so that a class has one
// identity however it was imported.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, StepFailure } from '../run/step.mjs';

const require = createRequire(import.meta.url);

/** Writes an .mjs and a .d.mts beside each CommonJS entry that package.json exports. */
export function writeEsmEntries(dist) {
  for (const entry of entries()) {
    const names = exportedNames(join(dist, `${entry}.js`));
    writeFileSync(join(dist, `${entry}.mjs`), wrapper(entry, names));
    writeFileSync(join(dist, `${entry}.d.mts`), `export * from './${entry}.js';\n`);
    console.log(`dist/${entry}.mjs: ${names.length} names`);
  }
}

function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.values(exports).flatMap(wrapped);
}

// Where the conditions of an export offer both `import` and `require`, at any depth, the first wraps the second.
function wrapped(conditions) {
  if (typeof conditions === 'string') return [];
  const { import: esm, require: cjs } = conditions;
  if (!esm || !cjs) return Object.values(conditions).flatMap(wrapped);
  const entry = /^\.\/dist\/(.+)\.js$/.exec(cjs.default)?.[1];
  if (!entry || esm.default !== `./dist/${entry}.mjs`) {
    throw new StepFailure(`package.json exports ${esm.default} beside ${cjs.default}: name them NAME.mjs and NAME.js`);
  }
  return [entry];
}

function exportedNames(file) {
  const names = Object.keys(require(file)).filter((name) => name !== '__esModule');
  if (names.length === 0) throw new StepFailure(`${file} exports nothing`);
  return names.sort();
}

// Each name is written out, so that Node finds it without running anything, and a bundler follows into the CommonJS build.
function wrapper(entry, names) {
  const first = WITHOUT_ADDON.includes(entry) ? '' : "import './native/required.mjs';\n\n";
  return `${first}export {
${names.map((name) => `  ${name},\n`).join('')}} from './${entry}.js';
`;
}

/** The entries that work without the addon. */
const WITHOUT_ADDON = ['delta'];
