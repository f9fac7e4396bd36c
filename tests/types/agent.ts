// A team of agents as Agentic Flow's programs are written: against its interface `AgentTransport`, with no word of what
// is below. tests/node/agent-transport.test.mjs runs it on QuicTransport, in two processes.
import type { QuicTransport } from '@agentic-flow/sqlite-vector/transport';

export interface AgentMessage {
  id: string;
  type: 'task' | 'result' | 'status' | 'coordination' | 'heartbeat' | string;
  payload: unknown;
  metadata?: Record<string, unknown>;
  streamId?: string | number;
}

export interface PoolStatistics {
  active: number;
  idle: number;
  created: number;
  closed: number;
}

export interface AgentTransport {
  send(address: string, message: AgentMessage): Promise<void>;
  receive(address: string, streamId?: string | number): Promise<AgentMessage>;
  request(address: string, message: AgentMessage): Promise<AgentMessage>;
  sendBatch(address: string, messages: AgentMessage[]): Promise<void>;
  getStats(): Promise<PoolStatistics>;
  close(): Promise<void>;
  onMessage?(
    handler: (address: string, message: AgentMessage) => void | Promise<void>,
    options?: { readonly streamId?: string | number },
  ): void;
}

/** Ours is one. */
export type Satisfied = QuicTransport extends AgentTransport ? true : never;
export const satisfied: Satisfied = true;

/** Does tasks, and sends each result to where the task came from. */
export class WorkingAgent {
  done = 0;
  readonly #transport: AgentTransport;

  constructor(transport: AgentTransport) {
    this.#transport = transport;
    transport.onMessage?.(async (address, task) => {
      if (task.type !== 'task') return;
      const { numbers } = task.payload as { numbers: number[] };
      const sum = numbers.reduce((total, number) => total + number, 0);
      this.done += 1;
      const result: AgentMessage = { id: `done-${this.done}`, type: 'result', payload: { task: task.id, sum } };
      if (task.streamId !== undefined) result.streamId = task.streamId;
      await this.#transport.send(address, result);
    });
  }
}

/** Hands tasks out in each of the ways that there are; resolves to the sums in the order of the tasks. */
export async function lead(transport: AgentTransport, worker: string): Promise<number[]> {
  const task = (id: number, streamId?: string): AgentMessage => ({
    id: `task-${id}`,
    type: 'task',
    payload: { numbers: [id, 1, 2] },
    metadata: { priority: 1 },
    ...(streamId === undefined ? {} : { streamId }),
  });
  const sumOf = (message: AgentMessage): number => (message.payload as { sum: number }).sum;

  const sums: number[] = [];
  await transport.send(worker, { id: 'hello', type: 'heartbeat', payload: null });
  for (let id = 0; id < 10; id += 1) sums.push(sumOf(await transport.request(worker, task(id))));

  const batch = Array.from({ length: 10 }, (_, index) => task(10 + index, 'batch'));
  await transport.sendBatch(worker, batch);
  for (const _ of batch) sums.push(sumOf(await transport.receive(worker, 'batch')));

  await transport.send(worker, task(20));
  sums.push(sumOf(await transport.receive(worker)));
  return sums;
}
