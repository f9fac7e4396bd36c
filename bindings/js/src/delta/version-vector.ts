// Version vectors over plain Maps.
import { nativeNow } from '../check/error';
import { backend } from './backend/backend';
import { checkVersions } from './check';
import { MAX_KEY_BYTES, checkName } from './name';

export type VersionRelation = 'before' | 'after' | 'equal' | 'concurrent';

/** Compares and joins version vectors. A missing key counts as 0; two names of one site are the same key. */
export class VersionVector {
  /** -1: a happened before b; 1: b happened before a; 0: equal or concurrent (see `relation`). */
  static compare(a: Map<string, number>, b: Map<string, number>): -1 | 0 | 1 {
    const relation = VersionVector.relation(a, b);
    return relation === 'before' ? -1 : relation === 'after' ? 1 : 0;
  }

  /** The relation of a to b. */
  static relation(a: Map<string, number>, b: Map<string, number>): VersionRelation {
    const { text, numbers } = flatVersions(checkVersions('a', a), checkVersions('b', b));
    return RELATIONS[nativeNow(() => backend().relateVersions(text, numbers))]!;
  }

  /** A new Map with the greater number for each key. */
  static merge(a: Map<string, number>, b: Map<string, number>): Map<string, number> {
    const { text, keys, numbers } = flatVersions(checkVersions('a', a), checkVersions('b', b));
    return versionsOf(
      keys,
      nativeNow(() => backend().joinVersions(text, numbers)),
    );
  }

  /** A new Map with the number of `nodeId` incremented. */
  static increment(vv: Map<string, number>, nodeId: string): Map<string, number> {
    const counted = checkName('nodeId', nodeId, MAX_KEY_BYTES);
    const { keys, numbers } = flatVersions(checkVersions('vv', vv), new Map());
    keys.push(counted);
    return versionsOf(
      keys,
      nativeNow(() => backend().incrementVersion(keys.join('\n'), numbers)),
    );
  }
}

function flatVersions(
  a: Map<string, number>,
  b: Map<string, number>,
): { text: string; keys: string[]; numbers: Float64Array } {
  const keys = [...a.keys(), ...b.keys()];
  return { text: keys.join('\n'), keys, numbers: Float64Array.of(a.size, b.size, ...a.values(), ...b.values()) };
}

function versionsOf(keys: string[], pairs: Float64Array): Map<string, number> {
  const versions = new Map<string, number>();
  for (let at = 0; at < pairs.length; at += 2) versions.set(keys[pairs[at]!]!, pairs[at + 1]!);
  return versions;
}

const RELATIONS: readonly VersionRelation[] = ['equal', 'before', 'after', 'concurrent'];
