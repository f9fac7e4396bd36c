// What came out in numbers: totals, who won, how long it took, and that the sides do not matter.
import { DeltaEncoder, resolveDeltas } from '@agentic-flow/sqlite-vector/delta';
import { h } from './element.mjs';
import { count, milliseconds, size } from './units.mjs';

/** Conflicts won, by the node that won them; merged ones apart. Greatest first. */
export function wins(rows, choices, kindOf) {
  const tally = new Map();
  for (const { conflict, winner, isMerged } of rows) {
    if (conflict === undefined) continue;
    const shown = choices.get(conflict.id) ?? winner;
    const isMean = isMerged && shown === winner;
    const name = isMean ? 'merged' : shown.sourceNode;
    const entry = tally.get(name) ?? { name, kind: isMean ? 'merged' : kindOf(shown), won: 0 };
    entry.won++;
    tally.set(name, entry);
  }
  return [...tally.values()].sort((one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind));
}

/** One sentence, for the eye and for a screen reader. */
export function sentence({ strategy, rows, conflicts, unresolved }, tally) {
  const of = `${count(conflicts)} of ${count(rows.length)} vectors are in conflict`;
  if (strategy === 'manual') return `${of}; ${count(unresolved)} wait for someone to choose.`;
  const shares = tally.map(({ name, won }) =>
    name === 'merged' ? `${count(won)} are merged` : `${name} wins ${count(won)}`,
  );
  return shares.length === 0 ? `${of}.` : `${of}: ${shares.join(', ')}.`;
}

/** The bar of who won, with its legend. */
export function bar(tally, strategy) {
  return [
    segments(tally),
    h(
      'dl',
      { class: 'legend' },
      tally.map(({ name, kind, won }) =>
        h(
          'div',
          null,
          h('dt', null, h('span', { class: `shape ${kind}`, 'aria-hidden': 'true' }), legend(name, strategy)),
          h('dd', { 'data-wins': name }, count(won)),
        ),
      ),
    ),
  ];
}

/** What a strategy comes to, in small: for its radio button. */
export function miniature(tally, strategy) {
  const conflicts = tally.reduce((sum, { won }) => sum + won, 0);
  if (strategy === 'manual') return [segments([{ kind: 'open', won: conflicts }]), `${count(conflicts)} to choose`];
  return [segments(tally), tally.map(({ name, won }) => `${name}\u00a0${count(won)}`).join(', ')];
}

function segments(tally) {
  const parts = tally.map(({ kind, won }) => h('span', { class: kind, style: `flex-grow: ${won}` }));
  return h('span', { class: 'bar', 'aria-hidden': 'true' }, parts);
}

function legend(name, strategy) {
  if (name === 'merged') return 'merged';
  return strategy === 'manual' ? `${name}’s is shown` : `${name} wins`;
}

/** Both orders of the sides, as bytes. */
export function swapProof(strategy, left, right) {
  const one = resolveDeltas(left.bytes, right.bytes, strategy);
  const other = resolveDeltas(right.bytes, left.bytes, strategy);
  const isSame = one.length === other.length && one.every((byte, index) => byte === other[index]);
  return { isSame, length: one.length, checksum: DeltaEncoder.deserialize(one).checksum };
}

/** Three figures. Times are undefined while they are measured. */
export function figures({ left, right, proof, runs, objects, bytes }) {
  const time = (value) => (value === undefined ? 'measuring…' : milliseconds(value));
  const given = left.bytes.length + right.bytes.length;
  const changes = count(left.changes.length + right.changes.length);
  return [
    figure('Over objects', time(objects), `ConflictResolver.resolveAll: ${changes} changes`, runs, 'objects'),
    figure('Over bytes', time(bytes), `resolveDeltas: ${size(given)} in, ${size(proof.length)} out`, runs, 'bytes'),
    h(
      'div',
      { class: 'figure', 'data-figure': 'swap' },
      h('dt', null, 'Sides swapped'),
      h('dd', null, h('strong', null, proof.isSame ? 'same bytes ✓' : 'other bytes ✗')),
      h('dd', null, `${count(proof.length)} bytes either way, checksum ${proof.checksum.slice(0, 8)}…`),
    ),
  ];
}

function figure(name, value, what, runs, id) {
  return h(
    'div',
    { class: 'figure', 'data-figure': id },
    h('dt', null, name),
    h('dd', null, h('strong', null, value)),
    h('dd', null, what),
    h('dd', null, `median of ${runs} runs in this browser`),
  );
}

const ORDER = ['left', 'right', 'other', 'merged'];
