import { VersionVector } from '@agentic-flow/sqlite-vector/delta';
import { Relation } from './relation.jsx';

export const dynamic = 'force-dynamic';

export default function Page() {
  return (
    <main>
      <p>{`server: ${VersionVector.relation(new Map([['a', 1]]), new Map([['a', 2]]))}`}</p>
      <Relation side="client" />
    </main>
  );
}
