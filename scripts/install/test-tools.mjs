// The programs that tests need beside what the package is built with. Linux only.
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { canInstall, install, installCommand } from './debian.mjs';
import { canRun } from '../run/files.mjs';
import { main, StepFailure } from '../run/step.mjs';

const NETWORK = { unshare: 'util-linux', ip: 'iproute2', nft: 'nftables' };

/** With which the tests make a network that drops UDP: in PATH, or installed as root. */
export async function ensureNetworkTools() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const isThere = (program) => folders.some((folder) => canRun(join(folder, program)));
  const packages = () => Object.keys(NETWORK).filter((program) => !isThere(program)).map((program) => NETWORK[program]);
  await ensure(packages, 'the test without UDP');
  if (process.platform === 'linux') console.log(Object.keys(NETWORK).join(', '));
}

/** The Python that has Prometheus' own reader of metrics, if any. Debian's may stand behind another one in PATH. */
export function pythonOfPrometheus() {
  const has = (python) => spawnSync(python, ['-c', 'import prometheus_client.parser']).status === 0;
  return ['python3', '/usr/bin/python3'].find(has);
}

/** With which a test reads the metrics as Prometheus does. */
export async function ensurePrometheusParser() {
  await ensure(() => (pythonOfPrometheus() ? [] : ['python3-prometheus-client']), 'the test of the metrics');
  if (process.platform === 'linux') console.log(`prometheus_client of ${pythonOfPrometheus()}`);
}

async function ensure(missing, needing) {
  if (process.platform !== 'linux') return console.log('not needed on this system');
  if (missing().length > 0 && canInstall()) await install(missing());
  if (missing().length > 0) {
    throw new StepFailure(`${needing} needs ${missing().join(', ')}: run \`sudo ${installCommand(missing())}\``);
  }
}

await main(import.meta.url, async () => {
  await ensureNetworkTools();
  await ensurePrometheusParser();
});
