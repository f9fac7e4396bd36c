// The example page in a real Chromium, served as its README says: it shows what the package's own functions answer.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { ConflictResolver, DeltaEncoder, resolveDeltas } from '../../dist/delta.browser.mjs';
import { makeDeltas } from '../../examples/browser/make-deltas.mjs';
import { servePage } from '../../examples/browser/serve.mjs';
import { ensureChromium } from '../../scripts/install/chromium.mjs';

const GROUNDS = ['ground', 'card', 'left-wash', 'right-wash', 'other-wash', 'alert-wash'];
const STRATEGIES = ['last-write-wins', 'first-write-wins', 'merge', 'manual'];
const FILES = ['harbour.vdlt', 'meadow.vdlt'];
const path = (file) => fileURLToPath(new URL(`../../examples/browser/${file}`, import.meta.url));
const [harbour, meadow] = FILES.map((file) => new Uint8Array(readFileSync(path(file))));
const [ours, theirs] = [harbour, meadow].map((bytes) => DeltaEncoder.deserialize(bytes).changes);

let server;
let browser;
before(async () => {
  server = await servePage();
  browser = await chromium.launch({ executablePath: await ensureChromium(), args: ['--no-sandbox', '--disable-gpu'] });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test('the committed deltas are what the script makes', () => {
  const made = makeDeltas();
  assert.deepEqual(Object.keys(made), FILES);
  assert.ok(Buffer.from(harbour).equals(made[FILES[0]]), `${FILES[0]}: run node examples/browser/make-deltas.mjs`);
  assert.ok(Buffer.from(meadow).equals(made[FILES[1]]), `${FILES[1]}: run node examples/browser/make-deltas.mjs`);
});

for (const strategy of STRATEGIES) {
  test(`under ${strategy} the page shows the totals, the winners and the bytes that the package answers`, async (t) => {
    const page = await open(t, `#strategy=${strategy}`);
    const { resolved, conflicts } = new ConflictResolver(strategy).resolveAll(ours, theirs);
    assert.ok(conflicts.length > 500, `${conflicts.length} conflicts`);
    const outcome = await page.textContent('#outcome');
    assert.ok(outcome.startsWith(`${conflicts.length} of ${resolved.length} vectors are in conflict`), outcome);
    assert.deepEqual(await shownWins(page), winsOf(resolved, conflicts));
    assert.deepEqual(await shownPhrases(page), resolved.slice(0, 40).map(phraseOf));

    const bytes = resolveDeltas(harbour, meadow, strategy);
    const { checksum } = DeltaEncoder.deserialize(bytes);
    const proof = await page.textContent('[data-figure=swap]');
    assert.match(proof, /same bytes ✓/);
    const both = `${bytes.length.toLocaleString('en')} bytes either way, checksum ${checksum.slice(0, 8)}`;
    assert.ok(proof.includes(both), proof);
  });
}

test('the README counts as the page does', () => {
  const readme = readFileSync(path('README.md'), 'utf8').replaceAll(/\s+/g, ' ');
  const totals = (strategy) => {
    const { resolved, conflicts } = new ConflictResolver(strategy).resolveAll(ours, theirs);
    return { vectors: resolved.length, conflicts: conflicts.length, ...winsOf(resolved, conflicts) };
  };
  const { vectors, conflicts, harbour: won, meadow: lost } = totals('last-write-wins');
  const { merged } = totals('merge');
  for (const text of [
    `${ours.length} and ${theirs.length} changes of ${vectors} vectors`,
    `${conflicts} are in conflict: under last-write-wins harbour wins ${won} of them and meadow ${lost}`,
    `under merge ${merged} become means, and in ${conflicts - merged} a delete loses`,
  ]) {
    assert.ok(readme.includes(text), text);
  }
});

test('the times are measured in the page, and it says over how many runs', async (t) => {
  const page = await open(t);
  for (const figure of ['objects', 'bytes']) {
    const place = page.locator(`[data-figure=${figure}]`, { hasText: /\d ms/ });
    assert.match(await place.textContent(), /median of 15 runs in this browser/);
  }
});

test('each kind of meeting has its reason in plain words', async (t) => {
  const page = await open(t);
  const reasonOf = async (id) => (await page.textContent(`[data-vector=${id}] .reason`)).replaceAll('\u00a0', ' ');
  assert.equal(await reasonOf('entry-001'), 'meadow is later by 3.2 s.');
  assert.equal(await reasonOf('entry-002'), 'Same microsecond: the greater site wins (b07f3d… over 5c1e90…).');
  assert.equal(await reasonOf('entry-003'), 'meadow had seen harbour’s change when it wrote: no conflict.');
  assert.equal(await reasonOf('entry-005'), 'meadow’s delete is later by 12.4 s.');
  assert.equal(await reasonOf('entry-009'), 'Only harbour changed it: no conflict.');
  assert.equal(await reasonOf('entry-010'), 'meadow is later by 812 µs.');
  assert.equal(await reasonOf('entry-012'), 'Both deltas hold the same change, island’s: no conflict.');
  await page.check('[value=first-write-wins]');
  assert.equal(await reasonOf('entry-001'), 'harbour is earlier by 3.2 s.');
  assert.equal(await reasonOf('entry-002'), 'Same microsecond: the smaller site wins (5c1e90… over b07f3d…).');
  await page.check('[value=merge]');
  assert.equal(await reasonOf('entry-001'), 'Mean of both vectors; text from meadow.');
  assert.equal(await reasonOf('entry-005'), 'meadow’s delete loses under merge to a live version.');
  assert.equal(await reasonOf('entry-006'), 'Both hold the same vector; note from harbour, tags from meadow.');
  assert.equal(await reasonOf('entry-008'), 'Mean of 3 vectors; text from meadow.');
  assert.equal(await reasonOf('entry-013'), 'Each side deleted it: it stays deleted.');
});

test('the angle and the cosine are those of the two vectors', async (t) => {
  const page = await open(t, '#strategy=merge');
  const [one, other] = [ours, theirs].map((changes) => changes.find(({ vectorId }) => vectorId === 'entry-001').vector);
  const product = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  const cosine = product(one, other) / Math.sqrt(product(one, one) * product(other, other));
  const shown = await page.textContent('[data-vector=entry-001] figcaption');
  const angle = Math.round((Math.acos(cosine) * 180) / Math.PI);
  assert.ok(shown.startsWith(`${angle}° apart cosine ${cosine.toFixed(2)}`), shown);
  // Halfway between two vectors of one length lies half the angle.
  assert.ok(shown.endsWith(`result to either ${Math.cos(Math.acos(cosine) / 2).toFixed(2)}`), shown);
});

test('choosing takes a conflict off the list, from the list and from the table', async (t) => {
  const page = await open(t, '#strategy=manual');
  const { conflicts } = new ConflictResolver('manual').resolveAll(ours, theirs);
  const unresolved = () => page.getAttribute('[data-unresolved]', 'data-unresolved').then(Number);
  assert.equal(await unresolved(), conflicts.length);

  const first = conflicts[0];
  await page.click(`[data-conflict="${first.id}"] button:has-text("harbour")`);
  assert.equal(await unresolved(), conflicts.length - 1);
  assert.equal(await page.locator(`[data-conflict="${first.id}"]`).count(), 0);
  assert.match(await page.textContent(`[data-vector=${first.vectorId}] .reason`), /^You chose harbour’s version/);
  assert.equal(await focused(page), 'BUTTON', 'the focus goes on to the next conflict');

  const second = conflicts[1];
  await page.click(`[data-vector=${second.vectorId}] button:has-text("meadow")`);
  assert.equal(await unresolved(), conflicts.length - 2);
  assert.equal(await page.textContent(`[data-vector=${second.vectorId}] .state`), 'resolved');
  assert.equal(await focused(page), 'TH');

  await page.click('text=Take back 2');
  assert.equal(await unresolved(), conflicts.length);
});

test('the strategies are chosen with the keyboard, and the address follows', async (t) => {
  const page = await open(t);
  await page.focus('[value=last-write-wins]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.isChecked('[value=merge]'), true);
  assert.match(await page.textContent('#outcome'), /are merged/);
  assert.equal(await page.evaluate(() => location.hash), '#strategy=merge');
});

test('filter and search narrow the table down, and a link brings them back', async (t) => {
  const page = await open(t, '#strategy=merge&conflicts=1&q=lily');
  assert.equal(await page.isChecked('#conflicts'), true);
  const ids = await shownVectors(page);
  assert.ok(ids.includes('entry-008') && !ids.includes('entry-001'), ids.join());
  await page.fill('#query', 'nothing like this');
  assert.equal(await page.textContent('#matches'), 'No vector matches.');
  await page.fill('#query', 'sheath');
  await page.uncheck('#conflicts');
  assert.deepEqual(await shownVectors(page), ['entry-009']);
});

test('a wrong file shows its code, and changes nothing', async (t) => {
  const page = await open(t);
  const before = await page.textContent('#outcome');
  const damaged = Buffer.from(harbour);
  damaged[damaged.length - 100] ^= 1;
  const give = (buffer) => page.setInputFiles('#file-left', { name: 'other.vdlt', mimeType: '', buffer });
  const alert = () => page.locator('#left .alert', { hasText: 'ERR_' }).textContent();
  await give(Buffer.from('this is no delta at all, but only some text'));
  assert.match(await alert(), /^ERR_PROTOCOL /);
  await give(damaged);
  await page.locator('#left .alert', { hasText: 'ERR_CHECKSUM' }).waitFor();
  await give(Buffer.from(ofAnotherShard()));
  await page.locator('#left .alert', { hasText: 'ERR_ARGUMENT' }).waitFor();
  assert.equal(await page.textContent('#outcome'), before);
});

test('another delta takes the place of one, and the example comes back', async (t) => {
  const page = await open(t);
  const before = await page.textContent('#outcome');
  await page.setInputFiles('#file-right', path(FILES[0]));
  await page.locator('#outcome', { hasText: /^0 of \d+ vectors/ }).waitFor();
  await page.click('#reset');
  await page.locator('#outcome', { hasText: before }).waitFor();
});

test('nothing is cut off at 320 pixels, in light and dark', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    for (const strategy of ['merge', 'manual']) {
      const page = await open(t, `#strategy=${strategy}`, { viewport: { width: 320, height: 640 }, colorScheme });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320, `${colorScheme}, ${strategy}`);
    }
  }
});

test('text stands out from its ground by 4.5 to 1 at least, in light and dark', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, '', { colorScheme });
    const style = (name) =>
      page.evaluate((of) => getComputedStyle(document.documentElement).getPropertyValue(`--${of}`), name);
    for (const text of ['ink', 'soft', 'left', 'right', 'other', 'merged', 'alert']) {
      for (const ground of text === 'ink' || text === 'soft' ? GROUNDS : GROUNDS.slice(0, 2)) {
        const ratio = contrast(luminance(await style(text)), luminance(await style(ground)));
        assert.ok(ratio >= 4.5, `${colorScheme}: ${text} on ${ground} has ${ratio.toFixed(2)}`);
      }
    }
  }
});

// WCAG 2.2, levels A and AA, and what axe counts as good practice.
test('axe finds no barrier, under each strategy, in light and dark', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    for (const strategy of STRATEGIES) {
      const page = await open(t, `#strategy=${strategy}`, { colorScheme });
      await page.addScriptTag({ content: axe.source });
      const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
      const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`);
      assert.deepEqual(found, [], `${colorScheme}, ${strategy}`);
      assert.ok(passes.length > 20, `${passes.length} rules had something to check`);
    }
  }
});

test('without the built file the page says what to do', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.route('**/dist/delta.browser.mjs', (route) => route.fulfill({ status: 404 }));
  await page.goto(server.url);
  await page.locator('#failure', { hasText: 'npm run build' }).waitFor();
});

// Errors in the console and requests to other places fail the test.
async function open(t, hash = '', options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  const { origin } = new URL(server.url);
  page.on('pageerror', (error) => faults.push(error.stack));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:')) faults.push(request.url());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(server.url + hash);
  await page.locator('tbody tr').first().waitFor();
  return page;
}

// Of colours as '#rrggbb', by WCAG 2.
function luminance(colour) {
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const share = parseInt(colour.trim().slice(start, start + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

function winsOf(resolved, conflicts) {
  const given = new Set([...ours, ...theirs]);
  const winners = new Map(resolved.map((winner) => [winner.vectorId, winner]));
  const wins = {};
  for (const { vectorId } of conflicts) {
    const winner = winners.get(vectorId);
    const name = given.has(winner) ? winner.sourceNode : 'merged';
    wins[name] = (wins[name] ?? 0) + 1;
  }
  return wins;
}

async function shownWins(page) {
  const entries = await page.locator('[data-wins]').evaluateAll((places) =>
    places.map((place) => [place.dataset.wins, Number(place.textContent.replaceAll(',', ''))]),
  );
  return Object.fromEntries(entries);
}

function phraseOf({ operation, metadata }) {
  return operation === 'delete' ? 'deleted' : metadata.text;
}

function shownPhrases(page) {
  const places = page.locator('tbody td:nth-child(4) .phrase');
  return places.evaluateAll((phrases) => phrases.map((phrase) => phrase.textContent));
}

function shownVectors(page) {
  return page.locator('tbody tr').evaluateAll((rows) => rows.map(({ dataset }) => dataset.vector));
}

function focused(page) {
  return page.evaluate(() => document.activeElement.tagName);
}

function ofAnotherShard() {
  const changes = ours.slice(0, 2).map((change) => ({ ...change, shardId: 'elsewhere' }));
  return DeltaEncoder.serialize(DeltaEncoder.encode('elsewhere', changes));
}
