// The two deltas and who made them.
import { DeltaEncoder } from '@agentic-flow/sqlite-vector/delta';

/** Reads the bytes of a delta. Errors have a code: ERR_PROTOCOL, ERR_CHECKSUM, ERR_CODEC, ... */
export function sideOf(file, bytes) {
  const delta = DeltaEncoder.deserialize(bytes);
  return { file, bytes, delta, changes: delta.changes, node: busiestNode(delta.changes) };
}

/** Fetches a delta that lies beside the page. */
export async function fetchSide(file) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file} cannot be loaded: ${response.status} ${response.statusText}`);
  return sideOf(file, new Uint8Array(await response.arrayBuffer()));
}

/** The delta in a file that someone chose. */
export async function readSide(file) {
  return sideOf(file.name, new Uint8Array(await file.arrayBuffer()));
}

// A delta may carry other nodes' changes too: most of them are its maker's.
function busiestNode(changes) {
  const counts = new Map();
  for (const { sourceNode } of changes) counts.set(sourceNode, (counts.get(sourceNode) ?? 0) + 1);
  return [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), ['nobody', 0])[0];
}
