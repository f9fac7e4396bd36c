import { VectrDB } from '@agentic-flow/sqlite-vector';

export const dynamic = 'force-dynamic';

export async function GET() {
  const db = await VectrDB.open({ memoryMode: true });
  await db.insert([1, 0], { title: 'one' }, { id: 'a' });
  const [found] = await db.search([1, 0.1], 1);
  await db.close();
  return Response.json({ id: found.id, title: found.metadata.title });
}
