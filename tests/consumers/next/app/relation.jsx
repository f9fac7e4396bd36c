'use client';
import { VersionVector } from '@agentic-flow/sqlite-vector/delta';

// Rendered on the server first, and again in the browser.
export function Relation({ side }) {
  return <p>{`${side}: ${VersionVector.relation(new Map([['a', 1]]), new Map([['b', 1]]))}`}</p>;
}
