// The package's typings under the settings that users have: tests/types holds the strictest, here are the others.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

const SIGNAL = `
import { ShardCoordinator, VectorQuicSync, VectrDB } from '@agentic-flow/sqlite-vector';
import { createVectorSync } from '@agentic-flow/sqlite-vector/sync';
export async function run(db: VectrDB, signal: AbortSignal): Promise<number> {
  const sync: VectorQuicSync = await createVectorSync(db, 'a');
  await sync.sync('s', 'host', false, { signal: new AbortController().signal });
  for await (const event of sync.events({ signal })) if (event.type === 'change') break;
  await new ShardCoordinator(sync).syncAll({ signal });
  return (await db.search([1], 5, { signal })).length;
}
`;

const USING = `${SIGNAL}
export async function close(): Promise<void> {
  await using db = await VectrDB.open();
  await using sync = await createVectorSync(db, 'a');
  await using events = sync.events();
  await using coordinator = new ShardCoordinator(sync);
}
`;

const STRICT = { strict: true, noEmit: true, skipLibCheck: false };
const { ModuleKind: Module, ModuleResolutionKind: Resolution, ScriptTarget: Target } = ts;

const settings = {
  'Node, typings of Node 20': [
    SIGNAL,
    { target: Target.ES2022, lib: ['lib.es2022.d.ts'], module: Module.Node16, types: ['node'] },
  ],
  'Node, await using': [
    USING,
    { target: Target.ES2022, lib: ['lib.esnext.d.ts'], module: Module.NodeNext, types: ['node'] },
  ],
  'DOM, await using': [
    USING,
    { target: Target.ES2022, lib: ['lib.esnext.d.ts', 'lib.dom.d.ts'], module: Module.NodeNext, types: [] },
  ],
  'DOM and a bundler': [
    SIGNAL,
    {
      target: Target.ES2022,
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
      module: Module.ESNext,
      moduleResolution: Resolution.Bundler,
      types: [],
    },
  ],
};

for (const [name, [source, options]] of Object.entries(settings)) {
  for (const extension of ['mts', 'cts']) {
    test(`the typings compile with ${name}, in a .${extension} file`, (t) => {
      // Below the package, which the source then finds by its own name.
      const folder = mkdtempSync(join(root, 'dist', 'typings-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const file = join(folder, `use.${extension}`);
      writeFileSync(file, source);
      const program = ts.createProgram([file], { ...STRICT, ...options });
      const found = ts
        .getPreEmitDiagnostics(program)
        .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
      assert.deepEqual(found, []);
    });
  }
}

test('every name of the documented surface is proven', () => {
  const read = (name) => readFileSync(join(root, 'tests/types', name), 'utf8');
  const surface = read('surface.ts');
  const documented = [...read('contract.d.ts').matchAll(/^export (?:class|function|interface|type) (\w+)/gm)];
  assert.ok(documented.length > 40, `${documented.length} names`);
  const isProven = ([, name]) => new RegExp(`contract\\.${name}\\b`).test(surface);
  const missing = documented.filter((found) => !isProven(found)).map(([, name]) => name);
  assert.deepEqual(missing, []);
});
