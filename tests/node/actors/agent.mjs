// One of two agents in a process of its own: `agent.mjs PROGRAM [ADDRESS]`. With an address it leads, without it works.
import { QuicTransport } from '@agentic-flow/sqlite-vector/transport';

const [program, address] = process.argv.slice(2);
const { WorkingAgent, lead } = await import(program);
const transport = await QuicTransport.create();
if (address === undefined) {
  const agent = new WorkingAgent(transport);
  process.send(await transport.listen(0));
  process.once('message', async () => {
    await transport.close();
    process.send(agent.done);
    process.disconnect();
  });
} else {
  const sums = await lead(transport, address);
  const { created } = await transport.getStats();
  await transport.close();
  process.send({ sums, created });
  process.disconnect();
}
