// A real Chromium without a window, and pages in it whose tests become tests of Node.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/install/chromium.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE = 60_000;

let started;

/** The browser, started at the first call with an empty profile and ended after the file's tests. */
async function browser() {
  started ??= ensureChromium().then((executablePath) => chromium.launch({ executablePath, args: FLAGS }));
  return started;
}
after(async () => (await started)?.close());

/** Opens `url` and reports each of the tests that the page ran, which it leaves as a promise in `globalThis.results`:
 *  a list of `{ name, failure? }`. Errors in the console and requests to other places fail the test too, but for those
 *  that the browser is expected to report. */
export async function testsOfPage(t, url, expected = /^$/) {
  const { page, faults, fault } = await open(t, url, expected);
  const results = await Promise.race([fault, settled(page)]);
  assert.ok(results.length > 0, 'the page ran no tests');
  for (const { name, failure } of results) {
    await t.test(name, () => assert.ok(failure === undefined, failure));
  }
  t.diagnostic(`${results.length} tests in ${url}`);
  assert.deepEqual(faults, []);
}

async function open(t, url, expected) {
  const context = await (await browser()).newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  const fault = new Promise((resolve, reject) => {
    const note = (text) => {
      faults.push(text);
      reject(new Error(`${url}: ${text}`));
    };
    const { origin } = new URL(url);
    page.on('pageerror', (error) => note(`uncaught: ${error.stack ?? error}`));
    page.on('crash', () => note('the page crashed'));
    page.on('console', (message) => {
      const isFault = ['error', 'warning'].includes(message.type()) && !expected.test(message.text());
      if (isFault) note(`console: ${message.text()} (${message.location().url})`);
    });
    page.on('request', (request) => {
      const asked = request.url();
      if (!asked.startsWith(`${origin}/`) && !/^(data|blob):/.test(asked)) note(`asked for ${asked}`);
    });
  });
  // Whoever does not wait for a fault any more finds it in the list.
  fault.catch(() => {});
  await page.goto(url);
  return { page, faults, fault };
}

async function settled(page) {
  await page.waitForFunction(() => globalThis.results !== undefined, undefined, { timeout: PATIENCE });
  return page.evaluate(() => globalThis.results);
}
