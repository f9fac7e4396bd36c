// The functional form: resolves operations, which have no version vectors.
import { nativeNow, wrongType } from '../check/error';
import { checkJson } from '../check/metadata';
import { checkInteger } from '../check/number';
import { checkWord } from '../check/text';
import { checkVector } from '../check/vector';
import { Column, type FlatChanges, Header, MERGED, OPERATIONS, backend, strategyNumber } from './backend/backend';
import type { ChangeOperation, ConflictStrategy } from './change';
import { type Naming, checkArray, checkObject } from './check';
import { MAX_VECTOR_ID_BYTES, checkName } from './name';
import { operationNumber, withVectors } from './packing/pack';
import { componentsOf, linesOf } from './packing/unpack';
import { inSides } from './resolver';

/** One operation on a vector. */
export interface Operation {
  type: ChangeOperation;
  vectorId: string;
  /** Absent for a delete, and for an update that leaves the vector as it is. An array of numbers is also accepted. */
  vector?: Float32Array;
  /** Any value that JSON can hold. */
  metadata?: unknown;
  /** Whole microseconds since the Unix epoch. */
  timestamp: number;
}

export type ConflictResolutionStrategy = 'last-write-wins' | 'first-write-wins' | 'merge-vectors' | 'manual';

/** One operation for each vector, sorted by id. Each side's newest operation counts; if both sides changed a vector in
 *  different ways, the strategy decides. Swapping the arguments does not change the result.
 *  @throws ERR_MANUAL_RESOLUTION naming the number of conflicts under 'manual'. */
export function resolveConflicts(
  local: Operation[],
  remote: Operation[],
  strategy: ConflictResolutionStrategy = 'last-write-wins',
): Operation[] {
  const chosen = checkWord('strategy', strategy, STRATEGIES);
  const ours = checkArray('local', local, 'operations') as Operation[];
  const operations = ours.concat(checkArray('remote', remote, 'operations') as Operation[]);
  const nameOf = inSides(ours.length);
  const { numbers, text } = packOperations(operations, nameOf);
  const { groups, merged } = withVectors(operations, nameOf, (vectors) =>
    nativeNow(() =>
      backend().resolveOperations(numbers, text, vectors, ours.length, strategyNumber(BACKEND_STRATEGY[chosen])),
    ),
  );
  const made = unpackOperations(merged);
  const resolved: Operation[] = [];
  for (let at = 0, next = 0; at < groups.length; at += 2 + groups[at + 1]!) {
    const winner = groups[at]!;
    resolved.push(winner === MERGED ? made[next++]! : operations[winner]!);
  }
  return resolved;
}

function packOperations(operations: readonly Operation[], nameOf: Naming): Omit<FlatChanges, 'vectors'> {
  const count = operations.length;
  const numbers = new Float64Array(Header.length + Column.length * count);
  numbers.set([count, 1]);
  const lines = [SHARD];
  const metadata: string[] = [];
  for (let index = 0; index < count; index++) {
    const operation = operations[index]!;
    const components = checkOperation(nameOf(index), operation);
    const text = checkJson(`${nameOf(index)}.metadata`, operation.metadata);
    const set = (column: number, value: number): number =>
      (numbers[Header.length + column * count + index] = value);
    set(Column.changeId, index);
    set(Column.operation, operationNumber(operation.type));
    set(Column.timestamp, operation.timestamp);
    set(Column.dotSite, -1);
    set(Column.dimensions, components);
    set(Column.hasMetadata, text === undefined ? 0 : 1);
    lines.push(operation.vectorId);
    if (text !== undefined) metadata.push(text);
  }
  lines.push(KEY, ...metadata);
  return { numbers, text: lines.join('\n') };
}

// How many components the vector has.
function checkOperation(name: string, value: unknown): number {
  const { type, vectorId, vector, timestamp } = checkObject(name, value, 'an operation');
  const word = checkWord(`${name}.type`, type, OPERATIONS.slice(1) as ChangeOperation[]);
  checkName(`${name}.vectorId`, vectorId, MAX_VECTOR_ID_BYTES);
  checkInteger(`${name}.timestamp`, timestamp);
  if (word !== 'insert' && vector === undefined) return 0;
  if (word === 'delete') throw wrongType(`${name}.vector`, 'none: a delete has no vector', vector);
  return checkVector(`${name}.vector`, vector).length;
}

function unpackOperations(flat: FlatChanges): Operation[] {
  const { numbers } = flat;
  const { vectorIds, metadata } = linesOf(flat);
  const vectors = componentsOf(flat);
  const count = vectorIds.length;
  let [component, described] = [0, 0];
  return vectorIds.map((vectorId, index) => {
    const at = (column: number): number => numbers[Header.length + column * count + index]!;
    const operation: Operation = {
      type: OPERATIONS[at(Column.operation)]!,
      vectorId,
      timestamp: at(Column.timestamp),
    };
    const dimensions = at(Column.dimensions);
    if (dimensions > 0) operation.vector = vectors.slice(component, (component += dimensions));
    if (at(Column.hasMetadata) === 1) operation.metadata = JSON.parse(metadata[described++]!);
    return operation;
  });
}

const STRATEGIES = ['last-write-wins', 'first-write-wins', 'merge-vectors', 'manual'] as const;
const BACKEND_STRATEGY: Record<ConflictResolutionStrategy, ConflictStrategy> = {
  'last-write-wins': 'last-write-wins',
  'first-write-wins': 'first-write-wins',
  'merge-vectors': 'merge',
  manual: 'manual',
};
// The core expects a shard and a key. Operations have neither, so all of them share these.
const SHARD = 'operations';
const KEY = 'operation';
