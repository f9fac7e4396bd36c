// Four agents, three shards each, every agent in a process of its own. They write apart, and then each syncs with its
// neighbours only. Whatever the topology, a few rounds later all hold the same.
import { strict as assert } from 'node:assert';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess } from '../demo/agent-process.mjs';
import { table } from '../demo/report.mjs';

const NAMES = ['alice', 'bob', 'carol', 'dave'];
const SHARDS = ['animals', 'places', 'tools'];
const VECTORS = 40;

const folder = await mkdtemp(join(tmpdir(), 'vectr-mesh-'));
const rows = [];
try {
  const agents = await Promise.all(NAMES.map((name) =>
    AgentProcess.start(join(folder, `${name}.db`), name, new URL('agent.mjs', import.meta.url))));
  const peers = await Promise.all(agents.map(async (agent) =>
    ({ nodeId: agent.nodeId, address: await agent.call('listen'), shards: SHARDS, status: 'unknown' })));
  await Promise.all(agents.map((agent) =>
    agent.call('meet', [peers.filter((peer) => peer.nodeId !== agent.nodeId)])));

  let written = 0;
  for (const topology of ['mesh', 'star', 'ring', 'tree']) {
    for (const agent of agents) {
      for (const shard of SHARDS) await agent.call('write', [shard, written, VECTORS]);
      written += VECTORS;
    }
    const neighbours = await Promise.all(agents.map((agent) => agent.call('arrange', [topology])));
    const rounds = await syncUntilEqual(agents);
    const links = neighbours.map((names, at) => `${NAMES[at]}: ${names.join(' ')}`).join('; ');
    rows.push([topology, links, rounds, await agents[0].call('count')]);
  }
  table(['topology', 'who syncs with whom', 'rounds', 'vectors at each agent'], rows);
  for (const agent of agents) console.log(agent.nodeId, JSON.stringify(await agent.call('statistics')));
  await Promise.all(agents.map((agent) => agent.close()));
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** How many rounds it took until every shard had one digest. */
async function syncUntilEqual(agents) {
  for (let rounds = 1; rounds <= agents.length; rounds += 1) {
    for (const agent of agents) {
      for (const { success, error } of await agent.call('syncAll')) assert.ok(success, error);
    }
    const digests = await Promise.all(agents.map((agent) => agent.call('digests')));
    if (new Set(digests).size === 1) return rounds;
  }
  throw new Error('the shards still differ');
}
