// The installed typings compile in users' projects: each module resolution, with and without the typings of Node.
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { NAME, folder, platformTarball, project, root, rootTarball, tool, write } from './support.mjs';

const USE = `
import { VectorQuicSync, VectrDB, type SearchResult } from '${NAME}';
import { createVectorSync, type SyncConfig } from '${NAME}/sync';
import { ConflictResolver, DeltaEncoder, VersionVector, resolveDeltas, type VectorChange } from '${NAME}/delta';

export async function run(signal: AbortSignal, config: Partial<SyncConfig>): Promise<SearchResult[]> {
  const db = await VectrDB.open({ memoryMode: true });
  const id: string = await db.insert(new Float32Array([1, 2]), { title: 'a' });
  for await (const { id } of db.iterate()) id.toUpperCase();
  const sync: VectorQuicSync = await createVectorSync(db, 'node-1', config);
  await sync.sync('default', '127.0.0.1:4433', false, { signal, onProgress: ({ bytes }) => bytes.toFixed() });
  await sync.close();
  const found = await db.search([1, 2], 5, { signal, metric: 'dot' });
  return found.filter((one) => one.id === id);
}

export function combine(ours: VectorChange[], theirs: VectorChange[]): Uint8Array {
  const { resolved, conflicts } = new ConflictResolver('merge').resolveAll(ours, theirs);
  for (const { versions } of conflicts) versions?.map((version) => version.versionVector.get('a'));
  const relation: -1 | 0 | 1 = VersionVector.compare(new Map(), new Map([['a', 1]]));
  const bytes: Uint8Array = DeltaEncoder.serialize(DeltaEncoder.encode('s', resolved, relation === 0 ? 'lz4' : 'none'));
  const back: VectorChange[] = DeltaEncoder.decode(DeltaEncoder.deserialize(bytes));
  return resolveDeltas(bytes, DeltaEncoder.serialize(DeltaEncoder.encode('s', back)), 'last-write-wins');
}

// @ts-expect-error the typings are not \`any\`
export const wrong: number = DeltaEncoder.batch([], 2);
`;

// An ES module for pages and edge workers: no CommonJS file can import it.
const SLIM = `${USE}
import { DeltaEncoder as Slim, initialize } from '${NAME}/delta/slim';
import { moduleBytes } from '${NAME}/delta/module';
export const same: typeof DeltaEncoder = Slim;
export const ready: Promise<void> = initialize(new URL('https://example.org/delta.wasm'));
export const readyToo: Promise<void> = initialize(moduleBytes());
`;

const USING = `
import { VectrDB } from '${NAME}';
export async function close(): Promise<void> {
  await using db = await VectrDB.open();
  await db.count();
}
`;

const DOM = ['ES2022', 'DOM'];
const both = { module: 'node16', files: { 'use.mts': SLIM, 'use.cts': USE } };
const bundler = { module: 'bundler', files: { 'use.ts': SLIM } };
const using = { module: 'node16', files: { 'use.mts': USING, 'use.cts': USING } };
const settings = [
  { name: 'node16, no Node typings', ...both, lib: DOM, types: [] },
  { name: 'bundler, no Node typings', ...bundler, lib: DOM, types: [] },
  { name: 'node16, Node typings', ...both, lib: ['ES2022'], types: ['node'] },
  { name: 'bundler, Node typings and DOM', ...bundler, lib: DOM, types: ['node'] },
  { name: 'await using, no Node typings', ...using, lib: ['ESNext', 'DOM'], types: [] },
  { name: 'await using, Node typings', ...using, lib: ['ESNext'], types: ['node'] },
];

let bare;
let withNode;
before(() => {
  bare = project([rootTarball(), platformTarball()]);
  withNode = join(folder(), 'project');
  cpSync(bare, withNode, { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    cpSync(join(root, 'node_modules', name), join(withNode, 'node_modules', name), { recursive: true });
  }
});

describe('strict, with skipLibCheck false', { concurrency: 2 }, () => {
  for (const { name, module, files, lib, types } of settings) {
    test(name, () => compile(types.length > 0 ? withNode : bare, name, files, { module, lib, types }));
  }
});

async function compile(where, name, files, { module, lib, types }) {
  const below = name.replaceAll(/\W+/g, '-');
  for (const [file, text] of Object.entries(files)) write(where, join(below, file), text);
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2022',
    module: module === 'bundler' ? 'esnext' : module,
    moduleResolution: module,
    lib,
    types,
  };
  write(where, join(below, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  const compiled = tool(where, 'typescript/bin/tsc', ['-p', below, '--pretty', 'false']);
  assert.equal(await compiled.catch(({ stdout }) => stdout), '');
}
