// The vectors of a row as a picture: the two versions at their true angle, and what is shown between them or on one of
// them. The mean of two vectors lies in their plane, so that nothing is flattened; it is drawn at its true length.
import { cosine, degrees, isEqual, length } from './cosine.mjs';
import { h, svg } from './element.mjs';

const WIDTH = 132;
const ORIGIN = { x: WIDTH / 2, y: 74 };
const UNIT = 56;

/** `versions`: two of `{ node, kind, vector }`; `shown`: the vector that stands, if any. */
export function fan(versions, shown) {
  const [one, other] = versions;
  if (one === undefined || other === undefined) return absent('one version only');
  if (one.vector === undefined || other.vector === undefined) return absent('a delete has no vector');
  if (one.vector.length !== other.vector.length) return absent('other dimensions');
  if (length(one.vector) === 0 || length(other.vector) === 0) return absent('a zero vector points nowhere');
  const result = shown?.length === one.vector.length && length(shown) > 0 ? shown : undefined;
  const angle = degrees(one.vector, other.vector);
  const alike = cosine(one.vector, other.vector);
  const scale = UNIT / Math.max(length(one.vector), length(other.vector));
  const ends = [end(-angle / 2, length(one.vector) * scale), end(angle / 2, length(other.vector) * scale)];
  const lines = isEqual(one.vector, other.vector)
    ? [['the same vector', '']]
    : [[`${Math.round(angle)}° apart`, `cosine ${alike.toFixed(2)}`]];
  if (result !== undefined) lines.push(...likeness(versions, result));
  return h(
    'figure',
    { class: 'fan' },
    drawing(versions, ends, angle, place(versions, result, angle, scale)),
    h('figcaption', null, lines.map(([left, right]) => h('span', null, left, ' ', h('b', null, right)))),
  );
}

function likeness([one, other], shown) {
  if (isEqual(shown, one.vector) || isEqual(shown, other.vector)) return [];
  const [ours, theirs] = [cosine(shown, one.vector), cosine(shown, other.vector)].map((value) => value.toFixed(2));
  if (ours === theirs) return [['result to either', ours]];
  return [[`result to ${one.node}`, ours], [`result to ${other.node}`, theirs]];
}

// Where the result is drawn: on a version, or between both. A mean of three lies outside their plane.
function place([one, other], shown, angle, scale) {
  if (shown === undefined) return undefined;
  if (isEqual(shown, one.vector)) return end(-angle / 2, length(shown) * scale);
  if (isEqual(shown, other.vector)) return end(angle / 2, length(shown) * scale);
  const turn = degrees(one.vector, shown);
  if (Math.abs(turn + degrees(other.vector, shown) - angle) > 0.1) return undefined;
  return end(turn - angle / 2, length(shown) * scale);
}

function drawing(versions, ends, angle, result) {
  const half = [end(-angle / 2, 20), end(angle / 2, 20)];
  const parts = [
    svg('path', { class: 'arc', d: `M${half[0].x} ${half[0].y}A20 20 0 0 1 ${half[1].x} ${half[1].y}` }),
    ...ends.map((to, index) => ray(to, versions[index].kind)),
  ];
  if (result) {
    parts.push(ray(result, 'result'));
    parts.push(svg('circle', { class: 'result', cx: result.x, cy: result.y, r: 4.5 }));
  }
  // Two names in one place are one too many.
  const shown = angle < 12 ? [] : ends;
  parts.push(
    ...shown.map(({ x, y }, index) => {
      const [away, anchor] = index === 0 ? [-7, 'end'] : [7, 'start'];
      const { kind, node } = versions[index];
      return svg('text', { x: x + away, y: y - 3, class: kind, 'text-anchor': anchor }, node.slice(0, 1));
    }),
  );
  return svg('svg', { viewBox: `0 0 ${WIDTH} 80`, width: WIDTH, height: 80, 'aria-hidden': 'true' }, parts);
}

function ray(to, kind) {
  return svg('line', { class: kind, x1: ORIGIN.x, y1: ORIGIN.y, x2: to.x, y2: to.y });
}

// Degrees to the right of straight up.
function end(turn, reach) {
  const radians = (turn * Math.PI) / 180;
  return { x: ORIGIN.x + Math.sin(radians) * reach, y: ORIGIN.y - Math.cos(radians) * reach };
}

function absent(why) {
  return h('p', { class: 'absent' }, why);
}
