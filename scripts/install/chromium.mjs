// The browser that the browser tests run in.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { canInstall, install, installCommand } from './debian.mjs';
import { canRun } from '../run/files.mjs';
import { main, StepFailure } from '../run/step.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PACKAGES = ['chromium'];

/** The path of a Chromium: CHROMIUM_PATH, else one in PATH, else Debian's, installed as root. */
export async function ensureChromium() {
  const found = chromium() ?? (canInstall() ? await install(PACKAGES).then(chromium) : null);
  if (!found) {
    throw new StepFailure(
      `the browser tests need Chromium, and none of ${NAMES.join(', ')} is in PATH: ` +
      `run \`sudo ${installCommand(PACKAGES)}\`, or name one in CHROMIUM_PATH`,
    );
  }
  console.log(`Chromium: ${found}`);
  return found;
}

function chromium() {
  const { CHROMIUM_PATH, PATH = '' } = process.env;
  if (!CHROMIUM_PATH) {
    return PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name))).find(canRun);
  }
  if (!existsSync(CHROMIUM_PATH)) throw new StepFailure(`CHROMIUM_PATH names ${CHROMIUM_PATH}, which is not there`);
  return CHROMIUM_PATH;
}

await main(import.meta.url, ensureChromium);
