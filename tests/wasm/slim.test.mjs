// The slim entry alone: the module comes when it is told where from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moduleBytes } from '../../dist/delta.module.mjs';
import { VersionVector, initialize } from '../../dist/delta.slim.mjs';

const compare = () => VersionVector.compare(new Map([['a', 1]]), new Map([['a', 2]]));

test('before initialize() a call says what to do', () => {
  assert.throws(compare, { name: 'VectrError', code: 'ERR_NOT_INITIALIZED', message: /initialize\(source\)/ });
});

test('initialize() needs a source, and says which', async () => {
  const expected = { name: 'TypeError', code: 'ERR_ARGUMENT', message: /^source is (undefined|null|5): .*moduleBytes\(\)/ };
  for (const source of [undefined, null, 5]) await assert.rejects(initialize(source), expected);
});

test('bytes that are no module are refused, and good ones taken after them', async () => {
  await assert.rejects(initialize(Uint8Array.of(1, 2)), { name: 'VectrError', code: 'ERR_NOT_INITIALIZED' });
  await initialize(moduleBytes());
  assert.equal(compare(), -1);
  await initialize();
});
