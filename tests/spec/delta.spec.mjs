// What '@agentic-flow/sqlite-vector/delta' does, whatever its core is made of. Imports only files beside it: it runs in
// Node and in pages.
import { badArguments, badChanges } from './arguments.mjs';
import { columns } from './columns.mjs';
import { damage, deltas, histories } from './deltas.mjs';
import { examples } from './examples.mjs';
import { fixtures } from './fixtures.mjs';
import { operations, versionVectors, wholes } from './functions.mjs';
import { againstModel, roundTrips } from './random.mjs';
import { merging, resolving, tracking, vectorless } from './resolving.mjs';

const PARTS = {
  deltas,
  damage,
  histories,
  resolving,
  merging,
  tracking,
  vectorless,
  versionVectors,
  operations,
  wholes,
  columns,
  badChanges,
  badArguments,
  examples,
};

/** Declares all tests. `api`: an entry of the package. `test`: takes a name and a function. `assert`: as Node's strict
 *  one. `vectors`: the examples that the Rust code wrote. `seed`: of the random tests; by default it changes. */
export function spec(api, { test, assert, vectors, seed = Date.now() % 1e9 }) {
  const kit = { api, assert, vectors, ...fixtures(api, assert) };
  for (const [part, declare] of Object.entries(PARTS)) {
    declare((name, work) => test(`${part}: ${name}`, work), kit);
  }
  test(`random: resolveAll does what a plain model does (seed ${seed})`, () => againstModel(kit, seed));
  test(`random: bytes keep everything (seed ${seed})`, () => roundTrips(kit, seed));
}
