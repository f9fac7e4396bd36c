// Two deltas resolved, as rows: for each vector what either side holds, what stands, and what is shown.
import { ConflictResolver } from '@agentic-flow/sqlite-vector/delta';

/** @returns rows in the order of ids: `{ vectorId, sides: [left's changes, right's changes], winner, versions: those
 *  that stand, conflict?, isMerged }` */
export function resolvedRows(strategy, left, right) {
  const { resolved, conflicts } = new ConflictResolver(strategy).resolveAll(left.changes, right.changes);
  const sides = [byVector(left.changes), byVector(right.changes)];
  const given = new Set([...left.changes, ...right.changes]);
  const conflictOf = new Map(conflicts.map((conflict) => [conflict.vectorId, conflict]));
  return resolved.map((winner) => {
    const conflict = conflictOf.get(winner.vectorId);
    return {
      vectorId: winner.vectorId,
      sides: sides.map((changes) => changes.get(winner.vectorId) ?? []),
      winner,
      versions: conflict?.versions ?? [winner],
      conflict,
      isMerged: !given.has(winner),
    };
  });
}

/** Whether two changes are one: they have one number. */
export function isSame(one, other) {
  const [ours, theirs] = [dotOf(one), dotOf(other)];
  return one === other || (ours.site === theirs.site && ours.seq === theirs.seq);
}

/** The number of a change, and its site's. Hand-made changes may leave it to their version vector. */
export function dotOf({ dot, sourceNode, versionVector }) {
  return dot ?? { site: sourceNode, seq: versionVector.get(sourceNode) };
}

/** Whether the writer of one change had seen another. */
export function hasSeen(later, earlier) {
  const { site, seq } = dotOf(earlier);
  return (later.versionVector.get(site) ?? 0) >= seq;
}

function byVector(changes) {
  const groups = new Map();
  for (const change of changes) {
    const group = groups.get(change.vectorId);
    if (group === undefined) groups.set(change.vectorId, [change]);
    else group.push(change);
  }
  return groups;
}
