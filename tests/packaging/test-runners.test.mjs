// Users test their own code with Jest and Vitest. Jest runs tests in a vm context, whose globals are not the addon's:
// equality and `instanceof` must hold there too, and more than one test file of a process loads the addon.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { NAME, platformTarball, project, rootTarball, tool, write } from './support.mjs';

const DATABASE = `
const metadata = { title: 'one', tags: ['a', 'b'], nested: { n: 1 } };
let db;
beforeAll(async () => {
  db = await VectrDB.open({ memoryMode: true, nodeId: 'consumer' });
  await db.insert(Float32Array.of(1, 2), metadata, { id: 'a' });
});
afterAll(() => db.close());

test('vectors and metadata equal literals', async () => {
  const { vector, metadata: read } = await db.get('a');
  expect(vector).toEqual(Float32Array.of(1, 2));
  expect(vector).toBeInstanceOf(Float32Array);
  expect(read).toStrictEqual(metadata);
  const score = { distance: expect.any(Number), similarity: expect.closeTo(1) };
  const found = [{ id: 'a', ...score, metadata, vector: Float32Array.of(1, 2) }];
  expect(await db.search([1, 2], 5, { includeVectors: true })).toStrictEqual(found);
});

test('rows, ids and bytes equal literals', async () => {
  expect(await db.shards()).toStrictEqual(['default']);
  expect(await db.insertBatch([{ id: 'b', vector: [3, 4] }])).toStrictEqual(['b']);
  const rows = await db.query("SELECT 1 AS one, 'two' AS two, NULL AS three, x'00ff' AS four");
  expect(rows).toStrictEqual([{ one: 1, two: 'two', three: null, four: Uint8Array.of(0, 255) }]);
});

test('errors are instances of Error and of VectrError', async () => {
  const exists = await db.insert([1, 2], undefined, { id: 'a' }).catch((error) => error);
  expect(exists).toBeInstanceOf(Error);
  expect(exists).toBeInstanceOf(VectrError);
  expect(exists.code).toBe('ERR_EXISTS');
  await expect(db.insert([1], undefined, { id: 'c' })).rejects.toThrow(VectrError);
  await expect(db.get(5)).rejects.toBeInstanceOf(TypeError);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(db.search([1, 2], 1, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: signal.reason });
});
`;

const EXCHANGE = `
test('a sync between two nodes of this process', async () => {
  const [ours, theirs] = await Promise.all(['a', 'b'].map((nodeId) => VectrDB.open({ memoryMode: true, nodeId })));
  const [a, b] = [await createVectorSync(ours, 'a'), await createVectorSync(theirs, 'b')];
  await ours.insert([1, 2], undefined, { id: 'v' });
  const address = await b.listen('127.0.0.1:0');
  const result = await a.sync('default', address);
  expect(result).toMatchObject({ success: true, changesSent: 1, conflictsUnresolved: [] });
  expect(result.conflictsUnresolved).toStrictEqual([]);
  const { versionVector } = await b.getShardState('default');
  expect(versionVector).toBeInstanceOf(Map);
  expect(versionVector).toEqual((await a.getShardState('default')).versionVector);
  expect(a.pinnedFingerprints).toStrictEqual([]);
  await Promise.all([a.close(), b.close()]);
  await Promise.all([ours.close(), theirs.close()]);
});

test('changes survive their bytes', () => {
  const change = {
    id: 1, operation: 'insert', shardId: 's', vectorId: 'v', vector: Float32Array.of(1, 2), metadata: { n: [1] },
    timestamp: 1_700_000_000_000_000, sourceNode: 'x', versionVector: new Map([['x', 1]]),
  };
  const bytes = DeltaEncoder.serialize(DeltaEncoder.encode('s', [change]));
  expect(bytes).toEqual(Uint8Array.from(bytes));
  expect(bytes).toBeInstanceOf(Uint8Array);
  expect(DeltaEncoder.decode(DeltaEncoder.deserialize(bytes))).toStrictEqual([change]);
  expect(VersionVector.merge(change.versionVector, new Map([['y', 2]]))).toStrictEqual(new Map([['x', 1], ['y', 2]]));
  expect(() => DeltaEncoder.deserialize(new Uint8Array(3))).toThrow(VectrError);
});

test('messages keep their arrays', async () => {
  const transport = await QuicTransport.create();
  const address = await transport.listen(0);
  transport.onMessage((_, { id, payload }) => ({ id, type: 'result', payload }));
  const payload = { vector: Float32Array.of(1, 2), list: [{ n: 1 }] };
  const answer = await transport.request(address, { id: '1', type: 'task', payload });
  expect(answer).toStrictEqual({ id: '1', type: 'result', payload });
  await transport.close();
});
`;

const NAMES = 'VectrDB, VectrError, createVectorSync, DeltaEncoder, VersionVector, QuicTransport';
const TESTS = 6;

let where;
before(() => {
  where = project([rootTarball(), platformTarball()]);
  for (const [name, body] of Object.entries({ database: DATABASE, exchange: EXCHANGE })) {
    write(where, `jest/${name}.test.js`, `const { ${NAMES} } = require('${NAME}');\n${body}`);
    write(where, `vitest/${name}.test.mjs`, `import { ${NAMES} } from '${NAME}';\n${body}`);
  }
});

describe('the tests of a consumer pass', () => {
  test('in Jest, both files in one process', async () => {
    const config = JSON.stringify({ rootDir: 'jest', testEnvironment: 'node', transform: {} });
    await passes('jest/bin/jest.js', ['--runInBand', '--json', '--watchman=false', '--config', config]);
  });

  for (const pool of ['threads', 'forks', 'vmThreads']) {
    test(`in Vitest, with the pool ${pool}`, async () => {
      await passes('vitest/vitest.mjs', ['run', '--dir', 'vitest', '--globals', '--pool', pool, '--reporter', 'json']);
    });
  }
});

/** Runs the tests, and expects each of them to pass. */
async function passes(path, args) {
  // A failing run prints its report as well.
  const output = await tool(where, path, args).catch(({ stdout, stderr }) => stdout || stderr);
  assert.match(output, /^\{/, output);
  const { numPassedTests, testResults } = JSON.parse(output);
  const failures = testResults.flatMap(({ message, assertionResults }) => [
    message,
    ...assertionResults.flatMap(({ failureMessages }) => failureMessages),
  ]);
  assert.equal(numPassedTests, TESTS, failures.join('\n'));
}
