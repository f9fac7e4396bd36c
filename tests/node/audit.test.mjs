// How advisories about npm packages are judged: docs/dependencies.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../scripts/run/audit.mjs';

const advisory = (source, name, severity) => ({ source, name, severity, title: `a fault of ${name}`, url: `https://advisories/${source}` });
const report = (...advisories) =>
  JSON.stringify({
    metadata: {},
    vulnerabilities: Object.fromEntries([
      ...advisories.map((one) => [one.name, { via: [one] }]),
      // It depends on the first one, and is listed for that.
      ...advisories.slice(0, 1).map((one) => ['above', { via: [one.name, one] }]),
    ]),
  });
const today = '2026-12-01';

test('any advisory about what runs fails, and a high one about what only builds', () => {
  const found = report(advisory(1, 'a', 'low'), advisory(2, 'b', 'moderate'));
  assert.equal(judge('run', found, [], today).failing, 2);
  assert.equal(judge('development', found, [], today).failing, 0);
  assert.equal(judge('development', report(advisory(3, 'c', 'high'), advisory(4, 'd', 'critical')), [], today).failing, 2);
  assert.match(judge('development', found, [], today).lines[0], /low: a: a fault of a \(https:\/\/advisories\/1\)/);
});

test('an accepted advisory counts again from its day on', () => {
  const found = report(advisory(1, 'a', 'high'));
  const accepted = (until) => [{ id: 1, reason: 'nobody calls it', until }];
  assert.equal(judge('run', found, accepted('2026-12-02'), today).failing, 0);
  assert.equal(judge('run', found, accepted('2026-12-01'), today).failing, 1);
});

test('a registry that cannot be asked fails nothing, and is named', () => {
  for (const answer of ['', 'npm error', '{"message":"request failed","error":{"summary":"ECONNREFUSED"}}', 'null']) {
    const { failing, lines } = judge('run', answer, [], today);
    assert.equal(failing, 0);
    assert.match(lines[0], /left out, npm's advisories cannot be asked/);
  }
});
