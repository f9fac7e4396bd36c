// Kinds of meetings and misses: who wrote what, when, and having seen what.

const PLANS = {
  // Both wrote, neither had seen the other's change.
  apart: (entry) => [write('left', entry.left, entry), write('right', entry.right, entry, { later: entry.gap })],
  // The same, in the same microsecond.
  tie: (entry) => [write('left', entry.left, entry), write('right', entry.right, entry)],
  // The right side had the left side's change before it wrote its own.
  seen: (entry) => {
    const first = write('left', entry.left, entry);
    return [first, write('right', entry.right, entry, { later: entry.gap, sees: [first] })];
  },
  // One side wrote, the other deleted: the left side first.
  deleted: (entry) =>
    entry.left === undefined
      ? [write('left', undefined, entry), write('right', entry.right, entry, { later: entry.gap })]
      : [write('left', entry.left, entry), write('right', undefined, entry, { later: entry.gap })],
  // Both deleted.
  gone: (entry) => [write('left', undefined, entry), write('right', undefined, entry, { later: entry.gap })],
  // The same phrase, other keys of the metadata.
  keys: (entry) => [write('left', entry.left, entry), write('right', entry.left, entry, { later: entry.gap })],
  // Both made an entry of that id, out of nothing.
  born: (entry) => PLANS.apart(entry).map((plan) => ({ ...plan, isNew: true })),
  // One side only.
  left: (entry) => [write('left', entry.left, entry)],
  right: (entry) => [write('right', entry.right, entry)],
  // A third node's change, which reached both.
  same: (entry) => [write('third', entry.left, entry, { carriedBy: ['left', 'right'] })],
  // A third node wrote too, and only the right side met it.
  third: (entry) => [
    ...PLANS.apart(entry),
    write('third', entry.third, entry, { later: -4_200_000_000, carriedBy: ['right'] }),
  ],
  // The left side wrote again before the right side did.
  twice: (entry) => {
    const first = write('left', entry.right, entry, { later: -600_000_000 });
    const second = write('left', entry.left, entry, { sees: [first] });
    return [first, second, write('right', entry.right, entry, { later: entry.gap })];
  },
};

/** The writes to one entry. `by`: left, right or third; `phrase`: undefined for a delete; `later`: microseconds after
 *  the entry's moment; `sees`: writes that it supersedes, beside what all had before; `carriedBy`: the deltas that hold
 *  it. */
export function plan(entry) {
  return PLANS[entry.as](entry);
}

function write(by, phrase, entry, { later = 0, sees = [], carriedBy = [by] } = {}) {
  const keys = { left: entry.leftKeys, right: entry.rightKeys }[by];
  return { by, phrase, keys: { topic: entry.topic, ...keys }, later, sees, carriedBy, isNew: false };
}
