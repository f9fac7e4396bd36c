// Two agents, each a process with its own database file, find out over QUIC what the other lacks, exchange exactly
// that, settle concurrent edits alike, and survive a kill in the middle. Run it with `npm run demo`.
import { strict as assert } from 'node:assert';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess } from './agent-process.mjs';
import { ProgressLine, say, table } from './report.mjs';

const SHARED = 1_000;
const OWN = 1_000;
const EDITED = 200;
const LARGE = 20_000;

const folder = await mkdtemp(join(tmpdir(), 'vectr-demo-'));
const databases = { alice: join(folder, 'alice.db'), bob: join(folder, 'bob.db') };
const rows = [];

try {
  console.log('Two agents with a database file each');
  let alice = await AgentProcess.start(databases.alice, 'alice');
  let bob = await AgentProcess.start(databases.bob, 'bob');
  const address = await alice.call('listen');
  say(`alice listens on ${address}, fingerprint ${alice.fingerprint.slice(0, 16)}…`);
  await alice.call('insert', [0, SHARED]);
  report('first meeting', await bob.call('sync', [address]));
  await expectEqual(alice, bob);

  console.log(`Apart: ${OWN} new vectors and ${EDITED} edits of the same vectors on both sides`);
  await Promise.all([alice.call('insert', [SHARED, OWN]), bob.call('insert', [SHARED + OWN, OWN])]);
  await Promise.all([alice.call('edit', [0, EDITED]), bob.call('edit', [0, EDITED])]);
  say(`each holds ${(await alice.call('count')).toLocaleString('en')} vectors, half of them shared`);
  const settled = await bob.call('sync', [address]);
  report('after working apart', settled);
  assert.equal(settled.conflictsDetected, EDITED);
  await expectEqual(alice, bob);

  console.log(`A larger sync: ${LARGE.toLocaleString('en')} more vectors at alice; bob is killed half way`);
  for (let start = 0; start < LARGE; start += 5_000) await alice.call('insertPairs', [start, 5_000]);
  const before = await bob.call('count');
  await killAmid(bob, address);
  bob = await AgentProcess.start(databases.bob, 'bob');
  const kept = (await bob.call('count')) - before;
  say(`bob is back: ${kept.toLocaleString('en')} vectors had been acknowledged and are on its disk`);
  const progress = new ProgressLine('resuming', LARGE - kept);
  const resumed = await bob.call('sync', [address], ({ received }) => progress.update(received));
  progress.end();
  report('resumed after the kill', resumed);
  assert.ok(kept > 0 && resumed.changesApplied > 0, 'the kill was meant to strike in the middle');
  const twice = kept + resumed.changesReceived - LARGE;
  assert.equal(kept + resumed.changesApplied, LARGE, 'nothing is lost');
  assert.equal(twice, 0, 'nothing that was acknowledged is sent again');
  const digest = await expectEqual(alice, bob);
  for (const agent of [alice, bob]) assert.equal(await agent.call('check'), 'ok');
  await Promise.all([alice.close(), bob.close()]);

  table(['sync (seen from bob)', 'sent', 'applied', 'conflicts', 'bytes out', 'bytes in', 'ms', 'digests'], rows);
  console.log(`\nkilled sync: ${kept.toLocaleString('en')} of ${LARGE.toLocaleString('en')} vectors were acknowledged`
    + ` before the kill, ${resumed.changesApplied.toLocaleString('en')} came afterwards, ${twice} came twice`);
  console.log(`digest of both: ${digest}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function report(label, result) {
  assert.equal(result.success, true, result.error);
  const { changesSent, changesApplied, conflictsDetected, bytesSent, bytesReceived, durationMs } = result;
  rows.push([label, changesSent, changesApplied, conflictsDetected, bytesSent, bytesReceived,
    durationMs.toFixed(1), 'equal']);
  say(`${label}: ${changesSent.toLocaleString('en')} sent, ${changesApplied.toLocaleString('en')} applied`);
}

async function expectEqual(...agents) {
  const digests = await Promise.all(agents.map((agent) => agent.call('digest')));
  assert.equal(new Set(digests).size, 1, 'the digests differ');
  return digests[0];
}

async function killAmid(agent, address) {
  const progress = new ProgressLine('syncing ', LARGE);
  await new Promise((resolve, reject) => {
    const onProgress = ({ received }) => {
      progress.update(received);
      if (received > LARGE / 2) agent.kill().then(resolve, reject);
    };
    agent.call('sync', [address], onProgress).then(
      () => reject(new Error('the sync ended before the kill')),
      () => {},
    );
  });
  progress.end();
  say('bob was killed (SIGKILL)');
}
