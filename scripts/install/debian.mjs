// What a script may install by itself: packages of Debian, as root. Everyone else is told the command.
import { existsSync } from 'node:fs';
import { run } from '../run/step.mjs';

/** Whether packages can be installed without asking anyone. */
export function canInstall() {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/** The command that installs the packages. */
export function installCommand(packages) {
  return `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** Installs the packages. A machine that was never updated knows none, so the lists come first. */
export async function install(packages) {
  await run('apt-get', ['update', '-q']);
  await run('apt-get', installCommand(packages).split(' ').slice(1), { DEBIAN_FRONTEND: 'noninteractive' });
}
