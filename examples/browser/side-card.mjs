// What a delta is, and a way to give another.
import { h } from './element.mjs';
import { clock, count, day, size } from './units.mjs';

/** The parts of a side's card. `choose(file, alert)` is called with a file that someone picked. */
export function deltaCard({ node, file, bytes, delta }, kind, choose) {
  const alert = h('p', { class: 'alert', role: 'alert' });
  const input = h('input', {
    type: 'file',
    id: `file-${kind}`,
    accept: '.vdlt',
    onchange: ({ target }) => {
      if (target.files.length > 0) choose(target.files[0], alert);
    },
  });
  return [
    h('h3', null, h('span', { class: `shape ${kind}`, 'aria-hidden': 'true' }), node),
    h('p', { class: 'file' }, h('code', null, file), ` ${size(bytes.length)} of ${delta.compression}, ${count(delta.changes.length)} changes`),
    h('p', { class: 'facts' }, facts(delta)),
    h('div', { class: 'picker' }, h('label', { for: `file-${kind}` }, 'Load another'), input),
    alert,
  ];
}

function facts({ changes, shardId, checksum }) {
  const times = changes.map(({ timestamp }) => timestamp);
  const [first, last] = [times.reduce((a, b) => Math.min(a, b), Infinity), times.reduce((a, b) => Math.max(a, b), 0)];
  const hours = [first, last].map((time) => clock(time).slice(0, 5)).join(' to ');
  const when = times.length === 0 ? 'no changes' : `${day(first)}, ${hours} UTC`;
  return `shard ${shardId}, ${when}, checksum ${checksum.slice(0, 8)}…`;
}
