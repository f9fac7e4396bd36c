// Reads Prometheus' text format 0.0.4, and refuses whatever the format does not allow.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { pythonOfPrometheus } from '../../scripts/install/test-tools.mjs';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|(?=\}))/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** The families by name: `{ type, help, samples: [{ labels, value }] }`. */
export function parseMetrics(text) {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const families = new Map();
  const seen = new Set();
  let current;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      assert.match(name, new RegExp(`${NAME.source}$`), line);
      assert.ok(!families.has(name), `one HELP and one block of ${name}`);
      families.set(name, (current = { name, help: rest, samples: [] }));
    } else if (keyword === 'TYPE') {
      assert.equal(current?.name, name, `TYPE of ${name} follows its HELP`);
      assert.ok(current.type === undefined && current.samples.length === 0, 'TYPE comes once, before the samples');
      assert.ok(TYPES.includes(rest), line);
      current.type = rest;
    } else {
      assert.ok(line !== '' && !line.startsWith('#'), `no comment and no gap: ${line}`);
      const sample = parseSample(line);
      assert.equal(sample.name, current?.name, `${line} belongs to the family above it`);
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      assert.ok(!seen.has(key), `twice: ${line}`);
      seen.add(key);
      if (current.type === 'counter') assert.ok(sample.value >= 0 && sample.name.endsWith('_total'), line);
      current.samples.push({ labels: sample.labels, value: sample.value });
    }
  }
  for (const { name, type } of families.values()) assert.ok(type, `${name} has a TYPE`);
  return families;
}

/** The value of the one sample that has these labels, among others. */
export function sampleOf(families, name, labels = {}) {
  assert.ok(families.has(name), `${name} is there`);
  const fits = ({ labels: found }) => Object.entries(labels).every(([label, value]) => found[label] === value);
  const found = families.get(name).samples.filter(fits);
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}: ${JSON.stringify(families.get(name).samples)}`);
  return found[0].value;
}

/** The same families as Prometheus' own parser reads them, by names: Linux only, where `npm test` brings it. */
export function readByPrometheus(text) {
  const python = pythonOfPrometheus();
  assert.ok(python, 'prometheus_client is missing: `node scripts/install/test-tools.mjs` installs it or says how');
  const families = JSON.parse(execFileSync(python, ['-c', READER], { input: text, encoding: 'utf8' }));
  return new Map(families.map((family) => [family.samples[0]?.name ?? family.name, family]));
}

// The parser cuts `_total` off a counter's name; its samples keep it.
const READER = `
import json, sys
from prometheus_client.parser import text_fd_to_metric_families
families = text_fd_to_metric_families(sys.stdin)
json.dump([{'name': family.name, 'type': family.type, 'help': family.documentation, 'samples':
    [{'name': sample.name, 'labels': sample.labels, 'value': sample.value} for sample in family.samples]}
    for family in families], sys.stdout)
`;

function parseSample(line) {
  const [name] = NAME.exec(line) ?? assert.fail(`no name: ${line}`);
  let rest = line.slice(name.length);
  const labels = {};
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [whole, label, value] = LABEL.exec(rest) ?? assert.fail(`no label: ${line}`);
      assert.ok(!(label in labels), `twice ${label}: ${line}`);
      labels[label] = value.replace(/\\(.)/g, (_, letter) => (letter === 'n' ? '\n' : letter));
      rest = rest.slice(whole.length);
    }
    rest = rest.slice(1);
  }
  const [, number] = /^ (\S+)$/.exec(rest) ?? assert.fail(`no value: ${line}`);
  assert.match(number, NUMBER, line);
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) };
}
