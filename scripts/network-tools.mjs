// The programs with which the tests make a network that drops UDP. Linux only.
import { delimiter, join } from 'node:path';
import { canInstall, install, installCommand } from './debian.mjs';
import { canRun } from './files.mjs';
import { main, StepFailure } from './step.mjs';

const PROGRAMS = { unshare: 'util-linux', ip: 'iproute2', nft: 'nftables' };

/** Makes sure that they are in PATH: installs what is missing as root. */
export async function ensureNetworkTools() {
  if (process.platform !== 'linux') return console.log('not needed on this system');
  if (missing().length > 0 && canInstall()) await install(missing());
  if (missing().length > 0) {
    throw new StepFailure(`the test without UDP needs ${missing().join(', ')}: run \`sudo ${installCommand(missing())}\``);
  }
  console.log(Object.keys(PROGRAMS).join(', '));
}

/** The packages of the programs that are not there. */
function missing() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const isThere = (program) => folders.some((folder) => canRun(join(folder, program)));
  return Object.keys(PROGRAMS).filter((program) => !isThere(program)).map((program) => PROGRAMS[program]);
}

await main(import.meta.url, ensureNetworkTools);
