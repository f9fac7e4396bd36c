// First document, "Conflict Resolution": operations of two sides, and the four strategies.
// Adapted: equal timestamps are no tie that each side wins for itself; the merge is the mean of the vectors.
import assert from 'node:assert/strict';
import { type Operation, resolveConflicts } from '@agentic-flow/sqlite-vector/delta';

const localOps: Operation[] = [
  { type: 'insert', vectorId: 'only here', vector: new Float32Array([1, 1]), timestamp: 100 },
  { type: 'update', vectorId: 'both', vector: new Float32Array([2, 0]), metadata: { text: 'ours' }, timestamp: 200 },
];
const remoteOps: Operation[] = [
  { type: 'update', vectorId: 'both', vector: new Float32Array([0, 2]), metadata: { lang: 'en' }, timestamp: 300 },
  { type: 'delete', vectorId: 'only there', timestamp: 250 },
];

const shown = (operations: Operation[]): unknown =>
  operations.map(({ vectorId, vector, metadata }) => [vectorId, vector && [...vector], metadata]);

console.log('last-write-wins', shown(resolveConflicts(localOps, remoteOps)));
console.log('first-write-wins', shown(resolveConflicts(localOps, remoteOps, 'first-write-wins')));
const merged = resolveConflicts(localOps, remoteOps, 'merge-vectors');
console.log('merge-vectors', shown(merged));
assert.deepEqual(merged.find(({ vectorId }) => vectorId === 'both')?.vector, new Float32Array([1, 1]));
assert.deepEqual(resolveConflicts(localOps, remoteOps), resolveConflicts(remoteOps, localOps));
assert.throws(
  () => resolveConflicts(localOps, remoteOps, 'manual'),
  (error: Error & { code?: string }) => error.code === 'ERR_MANUAL_RESOLUTION' && /1 conflict/.test(error.message),
);
