// The page: two deltas in, one view of them out, and whatever the reader does in between.
import { ConflictResolver, resolveDeltas } from '@agentic-flow/sqlite-vector/delta';
import { h } from './element.mjs';
import { STRATEGIES, linkTo, readLink } from './link.mjs';
import { resolvedRows } from './rows.mjs';
import { deltaCard } from './side-card.mjs';
import { fetchSide, readSide } from './sides.mjs';
import { bar, figures, miniature, sentence, swapProof, wins } from './summary.mjs';
import { columns, tableRow } from './table.mjs';
import { median } from './timing.mjs';
import { trackerOf, unresolvedList } from './unresolved.mjs';

const RUNS = 15;
const PAGE = 40;
const FILES = { left: 'harbour.vdlt', right: 'meadow.vdlt' };

const at = (id) => document.getElementById(id);
const state = { ...readLink(location.hash), choices: new Map(), limit: PAGE };

await load(() => Promise.all([fetchSide(FILES.left), fetchSide(FILES.right)]));
listen();

// New deltas, or none: where they cannot be used, what was there stays.
async function load(sides, alert = at('failure')) {
  try {
    const [left, right] = await sides();
    const rows = resolvedRows(state.strategy, left, right);
    // Both are sound by now: but are they of one shard?
    const proof = swapProof(state.strategy, left, right);
    Object.assign(state, { left, right, rows, proof, choices: new Map(), limit: PAGE });
  } catch (error) {
    alert.replaceChildren(h('strong', null, error.code ?? error.name), ` ${error.message}`);
    if (state.rows === undefined) at('outcome').replaceChildren();
    return;
  }
  for (const place of document.querySelectorAll('.alert')) place.replaceChildren();
  showSides();
  showStrategies();
  showAll();
}

function resolve() {
  state.rows = resolvedRows(state.strategy, state.left, state.right);
  state.proof = swapProof(state.strategy, state.left, state.right);
  state.limit = PAGE;
  showAll();
}

function showAll() {
  state.tracker = trackerOf(state.rows, state.choices);
  showChoices();
  showTable();
  measure();
}

function showSides() {
  for (const [index, name] of ['left', 'right'].entries()) {
    const choose = (file, alert) => load(() => replaced(index, readSide(file)), alert);
    at(name).replaceChildren(...deltaCard(state[name], name, choose));
  }
  at('reset').hidden = state.left.file === FILES.left && state.right.file === FILES.right;
}

// What each strategy comes to, beside its button: all four side by side.
function showStrategies() {
  for (const strategy of STRATEGIES) {
    const tally = wins(resolvedRows(strategy, state.left, state.right), new Map(), kindOf);
    const place = at('strategies').querySelector(`[value=${strategy}] + span .miniature`);
    place.replaceChildren(...miniature(tally, strategy));
  }
}

async function replaced(index, side) {
  const sides = [state.left, state.right];
  sides[index] = await side;
  return sides;
}

// Everything that a choice changes, but for the table.
function showChoices() {
  const tally = wins(state.rows, state.choices, kindOf);
  const conflicts = state.rows.filter(({ conflict }) => conflict !== undefined).length;
  const unresolved = state.tracker.count();
  at('outcome').textContent = sentence({ ...state, conflicts, unresolved }, tally);
  at('bar').replaceChildren(...bar(tally, state.strategy));
  at('unresolved').hidden = state.strategy !== 'manual' || conflicts === 0;
  at('unresolved').replaceChildren(...unresolvedList(state.tracker, view()));
}

function showTable() {
  const wanted = state.rows.filter(isWanted);
  at('head').replaceChildren(...columns(state).map((name) => h('th', { role: 'columnheader', scope: 'col' }, name)));
  at('rows').replaceChildren(...wanted.slice(0, state.limit).map((row) => tableRow(row, view())));
  const shown = Math.min(state.limit, wanted.length);
  at('matches').textContent = wanted.length === 0 ? 'No vector matches.' : `${shown} of ${wanted.length} shown`;
  at('more').hidden = shown === wanted.length;
}

function isWanted(row) {
  if (state.conflictsOnly && row.conflict === undefined) return false;
  const query = state.query.trim().toLowerCase();
  if (query === '' || row.vectorId.toLowerCase().includes(query)) return true;
  return row.sides.flat().some(({ metadata }) => JSON.stringify(metadata ?? {}).toLowerCase().includes(query));
}

// What the parts of the page need to know, and may do.
function view() {
  return { ...state, kindOf, labelOf, choose, forget, jump };
}

function choose(conflict, version, from) {
  state.tracker.resolveConflict(conflict.id, version);
  state.choices.set(conflict.id, version);
  showChoices();
  const row = state.rows.find(({ vectorId }) => vectorId === conflict.vectorId);
  rowOf(conflict.vectorId)?.replaceWith(tableRow(row, view()));
  // The button is gone: the focus goes on to what comes next.
  const inList = at('unresolved').querySelector('.waiting button');
  const next = from === 'list' ? inList : rowOf(conflict.vectorId)?.querySelector('th');
  (next ?? at('unresolved').querySelector('h2')).focus();
}

function forget() {
  state.choices.clear();
  showAll();
  at('unresolved').querySelector('h2').focus();
}

function jump(event, vectorId) {
  event.preventDefault();
  Object.assign(state, { conflictsOnly: false, query: '', limit: Math.max(state.limit, placeOf(vectorId) + 1) });
  showControls();
  showTable();
  rowOf(vectorId).scrollIntoView();
  rowOf(vectorId).querySelector('th').focus({ preventScroll: true });
}

// Ids come from the data: the page has others of its own.
function rowOf(vectorId) {
  return [...at('rows').children].find(({ dataset }) => dataset.vector === vectorId);
}

function placeOf(wanted) {
  return state.rows.findIndex(({ vectorId }) => vectorId === wanted);
}

function kindOf({ sourceNode }) {
  return sourceNode === state.left.node ? 'left' : sourceNode === state.right.node ? 'right' : 'other';
}

// A site by the name of its node, where it has one.
function labelOf(site) {
  return site.replace(/(?<=.)@[0-9a-f]{16}$/, '');
}

async function measure() {
  const { strategy, left, right, proof } = state;
  const run = (state.run = {});
  const isOver = () => state.run !== run;
  const show = (times) => at('figures').replaceChildren(...figures({ left, right, proof, runs: RUNS, ...times }));
  show({});
  const resolver = new ConflictResolver(strategy);
  const objects = await median(() => resolver.resolveAll(left.changes, right.changes), RUNS, isOver);
  if (isOver()) return;
  show({ objects });
  const bytes = await median(() => resolveDeltas(left.bytes, right.bytes, strategy), RUNS, isOver);
  if (!isOver()) show({ objects, bytes });
}

function showControls() {
  for (const radio of at('strategies').elements) radio.checked = radio.value === state.strategy;
  at('conflicts').checked = state.conflictsOnly;
  at('query').value = state.query;
}

function listen() {
  showControls();
  const keep = () => history.replaceState(null, '', linkTo(state));
  const filter = (change) => {
    Object.assign(state, change, { limit: PAGE });
    keep();
    if (state.rows) showTable();
  };
  at('strategies').addEventListener('change', ({ target }) => {
    state.strategy = target.value;
    keep();
    if (state.rows) resolve();
  });
  at('conflicts').addEventListener('change', ({ target }) => filter({ conflictsOnly: target.checked }));
  at('query').addEventListener('input', ({ target }) => filter({ query: target.value }));
  at('more').addEventListener('click', () => {
    const first = at('rows').children.length;
    state.limit += PAGE;
    showTable();
    at('rows').children[first]?.querySelector('th').focus();
  });
  at('reset').addEventListener('click', () => load(() => Promise.all([fetchSide(FILES.left), fetchSide(FILES.right)])));
  addEventListener('hashchange', () => {
    // The link to the table is not one of ours.
    if (!location.hash.includes('=')) return;
    Object.assign(state, readLink(location.hash));
    showControls();
    if (state.rows) resolve();
  });
}
