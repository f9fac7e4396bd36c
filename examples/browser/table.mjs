// The table: for each vector both versions, what is shown, and why.
import { h, words } from './element.mjs';
import { fan } from './fan.mjs';
import { reason } from './reasons.mjs';
import { isSame } from './rows.mjs';
import { metadataList, phrase, versionCard } from './version.mjs';

/** The names of the columns: they are labels of their own where the screen is narrow. */
export function columns({ left, right }) {
  return ['Vector', `In ${left.node}’s delta`, `In ${right.node}’s delta`, 'Shown, and why', 'Vectors'];
}

/** A row of the table. `view`: `{ left, right, strategy, choices, choose, kindOf, labelOf }`. */
export function tableRow(row, view) {
  const choice = view.choices.get(row.conflict?.id);
  const labels = columns(view);
  const cell = (index, ...children) => h('td', { role: 'cell', 'data-label': labels[index] }, children);
  return h(
    'tr',
    { role: 'row', 'data-vector': row.vectorId },
    h(
      'th',
      { role: 'rowheader', scope: 'row', tabindex: '-1', 'data-label': labels[0] },
      row.vectorId,
      h('span', { class: row.conflict ? 'state conflict' : 'state' }, stateOf(row, view, choice)),
    ),
    ...row.sides.map((changes, side) => cell(side + 1, sideCards(changes, row, view, choice))),
    cell(3, outcome(row, view, choice)),
    cell(4, picture(row, view, choice)),
  );
}

function stateOf({ conflict }, { strategy }, choice) {
  if (conflict === undefined) return 'no conflict';
  if (strategy !== 'manual') return 'conflict';
  return choice === undefined ? 'unresolved' : 'resolved';
}

function sideCards(changes, row, view, choice) {
  if (changes.length === 0) return h('p', { class: 'absent' }, 'no change');
  return [...changes].reverse().map((change) => {
    const [mark, look] = markOf(change, row, choice);
    return versionCard(change, { kind: view.kindOf(change), mark, look, labelOf: view.labelOf });
  });
}

// What becomes of a version: in words, and as a class.
function markOf(change, { versions, winner, isMerged }, choice) {
  if (isSame(choice ?? winner, change)) return ['✓ shown', 'shown'];
  if (!versions.some((version) => isSame(version, change))) return ['superseded', ''];
  const isPart = isMerged && choice === undefined && change.operation !== 'delete';
  return isPart ? ['✓ part of it', 'part'] : ['not shown', ''];
}

function outcome(row, view, choice) {
  const shown = choice ?? row.winner;
  const kind = row.isMerged && !choice ? 'merged' : view.kindOf(shown);
  return [
    h(
      'p',
      { class: 'by' },
      h('span', { class: `shape ${kind}`, 'aria-hidden': 'true' }),
      kind === 'merged' ? 'merged' : `${shown.sourceNode}’s`,
    ),
    phrase(shown),
    h('p', { class: 'reason' }, words(reason(row, view.strategy, choice))),
    kind === 'merged' ? metadataList(shown.metadata) : null,
    row.conflict && view.strategy === 'manual' && !choice ? choosing(row.conflict, view) : null,
  ];
}

/** Buttons to choose one of a conflict's versions. */
export function choosing(conflict, { choose, kindOf }, from = 'row') {
  return h(
    'div',
    { class: 'choosing', role: 'group', 'aria-label': `Choose a version of ${conflict.vectorId}` },
    inOrder(conflict.versions, kindOf).map((version) =>
      h(
        'button',
        { type: 'button', onclick: () => choose(conflict, version, from) },
        h('span', { class: `shape ${kindOf(version)}`, 'aria-hidden': 'true' }),
        version.operation === 'delete' ? `Keep ${version.sourceNode}’s delete` : `Keep ${version.sourceNode}’s`,
      ),
    ),
  );
}

/** Versions in the order of the columns. */
export function inOrder(versions, kindOf) {
  return [...versions].sort((one, other) => ORDER.indexOf(kindOf(one)) - ORDER.indexOf(kindOf(other)));
}

function picture(row, view, choice) {
  const [ours, theirs] = row.sides.map((changes) => changes.at(-1));
  const pair = ours && theirs && !isSame(ours, theirs) ? [ours, theirs] : [ours ?? theirs];
  const versions = pair.map((change) => {
    return { node: change.sourceNode, kind: view.kindOf(change), vector: change.vector };
  });
  return fan(versions, (choice ?? row.winner).vector);
}

const ORDER = ['left', 'right', 'other'];
