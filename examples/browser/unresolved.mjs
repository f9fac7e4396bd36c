// Conflicts that wait for someone, and what was chosen: the package's ConflictTracker keeps the list.
import { ConflictTracker } from '@agentic-flow/sqlite-vector/delta';
import { h } from './element.mjs';
import { choosing, inOrder } from './table.mjs';
import { count, span } from './units.mjs';

const NEXT = 3;

/** All conflicts of the rows but those that someone has settled. */
export function trackerOf(rows, choices) {
  const tracker = new ConflictTracker();
  for (const { conflict } of rows) {
    if (conflict !== undefined && !choices.has(conflict.id)) tracker.addConflict(conflict);
  }
  return tracker;
}

/** The list: the next few, and how many there are. */
export function unresolvedList(tracker, view) {
  const unresolved = tracker.getUnresolved();
  const rest = unresolved.length - NEXT;
  const amount = h('span', { class: 'amount', 'data-unresolved': unresolved.length }, count(unresolved.length));
  const takeBack = { type: 'button', class: 'quiet', onclick: view.forget };
  return [
    h('h2', { tabindex: '-1' }, 'To be chosen ', amount),
    h(
      'p',
      null,
      'Under manual the package decides nothing for good. A choice takes the conflict off the tracker’s list. ',
      view.choices.size === 0 ? null : h('button', takeBack, `Take back ${count(view.choices.size)}`),
    ),
    h('ol', { class: 'waiting' }, unresolved.slice(0, NEXT).map((conflict) => waiting(conflict, view))),
    rest > 0 ? h('p', { class: 'note' }, `and ${count(rest)} more, each with its buttons in the table`) : null,
  ];
}

function waiting(conflict, view) {
  const { vectorId, localChange, remoteChange } = conflict;
  const apart = localChange.timestamp - remoteChange.timestamp;
  return h(
    'li',
    { 'data-conflict': conflict.id },
    h(
      'p',
      { class: 'by' },
      h('a', { href: '#table', onclick: (event) => view.jump(event, vectorId) }, vectorId),
      h('span', { class: 'mark' }, apart === 0 ? 'same microsecond' : `${span(apart)} apart`),
    ),
    h('p', { class: 'phrases' }, inOrder(conflict.versions, view.kindOf).map(text).join(' or ')),
    choosing(conflict, view, 'list'),
  );
}

function text({ operation, metadata, vectorId }) {
  return operation === 'delete' ? 'a delete' : `“${metadata?.text ?? vectorId}”`;
}
