// The browser's entry passes the spec in Node too, where bundlers and tests load it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as native from '@agentic-flow/sqlite-vector/delta';
import * as browser from '../../dist/delta.browser.mjs';
import * as slim from '../../dist/delta.slim.mjs';
import { spec } from '../spec/delta.spec.mjs';

const vectors = JSON.parse(readFileSync(new URL('../spec/vectors.json', import.meta.url)));

spec(browser, { test, assert, vectors });

test('it hands out what the slim module and the native one do, and a class is one object in both of its own', () => {
  assert.deepEqual(Object.keys(browser).sort(), Object.keys(native).sort());
  assert.deepEqual({ ...slim }, { ...browser });
});
