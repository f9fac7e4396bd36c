// Resolves versions of vectors: the core decides by the version vectors of the changes.
import { VectrError, describe } from '../check/error';
import { checkWord } from '../check/text';
import { type Backend, type FlatChanges, MERGED, STRATEGIES, type Verdict, strategyNumber } from './backend/backend';
import type { ConflictStrategy, SyncConflict, VectorChange } from './change';
import { type Naming, checkArray, sharedShard } from './check';
import { areDuplicateDotsEqual } from './duplicate-dots';
import { withChanges, withHistories } from './packing/pack';
import { unpackChanges } from './packing/unpack';

/** The winner of two versions, and the conflict if neither supersedes the other. */
export interface Resolution {
  winner: VectorChange;
  conflict?: SyncConflict;
}

/** The winner of each vector, sorted by id, and all conflicts. */
export interface Resolutions {
  resolved: VectorChange[];
  conflicts: SyncConflict[];
}

/** Resolves versions by a strategy. Winners are the given objects, except merged ones. */
export class ConflictResolver {
  #strategy: ConflictStrategy;

  constructor(strategy: ConflictStrategy = 'last-write-wins') {
    this.#strategy = checkStrategy(strategy);
  }

  /** Sets the strategy of later calls. */
  setStrategy(strategy: ConflictStrategy): void {
    this.#strategy = checkStrategy(strategy);
  }

  /** Resolves two versions of one vector. Swapping the arguments does not change the winner, so nodes agree. */
  resolve(local: VectorChange, remote: VectorChange): Resolution {
    const { resolved, conflicts } = resolutions(this.#strategy, [local, remote], (index) => SIDES[index]!);
    if (resolved.length > 1) throw differentVectorsError(local, remote);
    const [conflict] = conflicts;
    return { winner: resolved[0]!, ...(conflict && { conflict }) };
  }

  /** Resolves all versions of each vector together: the order of the arguments does not matter. All changes are of one
   *  shard. */
  resolveAll(local: VectorChange[], remote: VectorChange[]): Resolutions {
    const ours = checkArray('local', local, 'changes') as VectorChange[];
    const theirs = checkArray('remote', remote, 'changes') as VectorChange[];
    return resolutions(this.#strategy, ours.concat(theirs), inSides(ours.length));
  }
}

/** A strategy. @internal */
export function checkStrategy(value: unknown): ConflictStrategy {
  return checkWord('strategy', value, STRATEGIES);
}

/** Names for the changes of two concatenated arrays. @internal */
export function inSides(local: number): Naming {
  return (index) => (index < local ? `local[${index}]` : `remote[${index - local}]`);
}

function resolutions(strategy: ConflictStrategy, changes: VectorChange[], nameOf: Naming): Resolutions {
  if (changes.length === 0) return { resolved: [], conflicts: [] };
  const resolved: VectorChange[] = [];
  const conflicts: SyncConflict[] = [];
  const toMerge: number[] = [];
  const places: number[] = [];
  const { groups, ids } = verdictOn(strategy, changes, nameOf);
  const detectedAt = Date.now() * 1000;
  for (let at = 0; at < groups.length; ) {
    const winner = groups[at]!;
    const end = at + 2 + groups[at + 1]!;
    if (end - at > 3) {
      const versions: VectorChange[] = [];
      for (let index = at + 2; index < end; index++) versions.push(changes[groups[index]!]!);
      const from = conflicts.length * ID_LENGTH;
      conflicts.push(conflictOf(ids.slice(from, from + ID_LENGTH), versions, detectedAt));
    }
    if (winner === MERGED) {
      for (let index = at + 2; index < end; index++) toMerge.push(groups[index]!);
      places.push(resolved.length);
    }
    resolved.push(changes[winner]!);
    at = end;
  }
  if (places.length > 0) {
    const merged = mergedChanges(changes, toMerge, nameOf);
    places.forEach((place, index) => (resolved[place] = merged[index]!));
  }
  return { resolved, conflicts };
}

// Changes that both sides hold are usually the same: vectors are passed only if two changes with one dot differ.
function verdictOn(strategy: ConflictStrategy, changes: VectorChange[], nameOf: Naming): Verdict {
  const shardId = sharedShard(changes);
  const ask = (core: Backend, { numbers, text, vectors }: FlatChanges): Verdict =>
    core.resolveChanges(numbers, text, vectors, strategyNumber(strategy));
  const verdict = withHistories(shardId, changes, nameOf, ask);
  return areDuplicateDotsEqual(changes, verdict.duplicateDots) ? verdict : withChanges(shardId, changes, nameOf, ask);
}

function mergedChanges(changes: VectorChange[], indices: number[], nameOf: Naming): VectorChange[] {
  const standing = indices.map((index) => changes[index]!);
  return withChanges(
    sharedShard(standing),
    standing,
    (index) => nameOf(indices[index]!),
    (core, { numbers, text, vectors }) => unpackChanges(core.mergeChanges(numbers, text, vectors)),
  );
}

function conflictOf(id: string, versions: VectorChange[], detectedAt: number): SyncConflict {
  const localChange = versions[versions.length - 1]!;
  return {
    id,
    shardId: localChange.shardId,
    vectorId: localChange.vectorId,
    localChange,
    remoteChange: versions[versions.length - 2]!,
    versions,
    detectedAt,
  };
}

function differentVectorsError(local: VectorChange, remote: VectorChange): VectrError {
  return new VectrError(
    'ERR_ARGUMENT',
    `local is a version of ${describe(local.vectorId)} and remote one of ${describe(remote.vectorId)}: ` +
      'give two versions of one vector, or call resolveAll',
  );
}

const ID_LENGTH = 32;
const SIDES = ['local', 'remote'];
