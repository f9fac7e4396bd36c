// Takes the README's picture: `node examples/browser/screenshot.mjs`, or with arguments any other view of the page:
// `screenshot.mjs [file] [hash] [width] [height] [light|dark]`.
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/install/chromium.mjs';
import { servePage } from './serve.mjs';

const PICTURE = fileURLToPath(new URL('screenshot.png', import.meta.url));
const [path = PICTURE, hash = 'strategy=merge', width = 1280, height = 1640, colorScheme = 'light'] =
  process.argv.slice(2);

const { url, close } = await servePage();
const executablePath = await ensureChromium();
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme });
  await page.goto(`${url}#${hash}`);
  // The picture has its times.
  await page.waitForFunction(() => {
    const figures = document.querySelector('#figures');
    return figures.children.length > 0 && !figures.textContent.includes('measuring');
  });
  await page.screenshot({ path });
  console.log(path);
} finally {
  await browser.close();
  await close();
}
