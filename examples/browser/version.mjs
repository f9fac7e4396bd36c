// One version of a vector, as a small card.
import { h } from './element.mjs';
import { dotOf } from './rows.mjs';
import { clock, day } from './units.mjs';

/** The card. `kind`: whose it is; `mark`: what becomes of it, in words; `look`: the same for the eye. */
export function versionCard(change, { kind, mark, look, labelOf }) {
  return h(
    'div',
    { class: `version ${kind} ${look}` },
    h(
      'p',
      { class: 'by' },
      h('span', { class: `shape ${kind}`, 'aria-hidden': 'true' }),
      change.sourceNode,
      h('span', { class: 'mark' }, mark),
    ),
    phrase(change),
    h(
      'p',
      { class: 'when' },
      `${change.operation} at `,
      h('time', { title: `${day(change.timestamp)}, UTC` }, clock(change.timestamp)),
    ),
    metadataList(change.metadata),
    h('p', { class: 'history' }, `change ${dotOf(change).seq}, ${seen(change, labelOf)}`),
  );
}

/** The phrase of a change, or that it is deleted. */
export function phrase({ operation, metadata, vectorId }) {
  if (operation === 'delete') return h('p', { class: 'phrase deleted' }, 'deleted');
  return h('p', { class: 'phrase' }, typeof metadata?.text === 'string' ? metadata.text : vectorId);
}

/** The other keys of the metadata. */
export function metadataList(metadata) {
  const entries = Object.entries(metadata ?? {}).filter(([key]) => key !== 'text');
  if (entries.length === 0) return null;
  return h(
    'dl',
    { class: 'metadata' },
    entries.map(([key, value]) => h('div', null, h('dt', null, key), h('dd', null, shown(value)))),
  );
}

// What its writer had seen of the others.
function seen(change, labelOf) {
  const own = dotOf(change).site;
  const others = [...change.versionVector].filter(([site]) => site !== own);
  if (others.length === 0) return 'had seen no other';
  return `had seen ${others.map(([site, seq]) => `${labelOf(site)} ${seq}`).join(', ')}`;
}

function shown(value) {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
