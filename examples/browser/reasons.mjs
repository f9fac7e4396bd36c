// Why a version stands, in a plain sentence. It explains what the module decided, and decides nothing.
import { dotOf, hasSeen, isSame } from './rows.mjs';
import { span } from './units.mjs';

/** The sentence for a row under a strategy; `choice`: what someone chose, where someone did. */
export function reason(row, strategy, choice) {
  if (choice !== undefined) return `You chose ${choice.sourceNode}’s version.`;
  if (row.conflict === undefined) return agreement(row);
  return CONFLICTS[strategy](row);
}

const CONFLICTS = {
  'last-write-wins': ({ winner, versions }) => precedence(winner, versions.at(-2), 'later'),
  'first-write-wins': ({ winner, versions }) => precedence(winner, versions[1], 'earlier'),
  merge: merged,
  manual: ({ winner, versions }) =>
    `Until someone chooses, the last write is shown: ${lowerFirst(precedence(winner, versions.at(-2), 'later'))}`,
};

function agreement({ sides, winner }) {
  const others = sides.flat().filter((change) => !isSame(change, winner));
  if (others.length === 0) {
    if (sides.every((changes) => changes.length > 0)) {
      return `Both deltas hold the same change, ${winner.sourceNode}’s: no conflict.`;
    }
    return `Only ${winner.sourceNode} changed it: no conflict.`;
  }
  const seen = others.find((other) => other.sourceNode !== winner.sourceNode && hasSeen(winner, other));
  if (seen === undefined) return `${winner.sourceNode} wrote again over its own change: no conflict.`;
  return `${winner.sourceNode} had seen ${seen.sourceNode}’s change when it wrote: no conflict.`;
}

function precedence(winner, other, word) {
  const apart = Math.abs(winner.timestamp - other.timestamp);
  const what = winner.operation === 'delete' ? `${winner.sourceNode}’s delete is` : `${winner.sourceNode} is`;
  if (apart > 0) return `${what} ${word} by ${span(apart)}.`;
  const [ours, theirs] = [dotOf(winner), dotOf(other)];
  const size = word === 'later' ? 'greater' : 'smaller';
  if (ours.site === theirs.site) return `Same microsecond, same site: the ${size} number wins, ${ours.seq}.`;
  return `Same microsecond: the ${size} site wins (\`${shortSite(ours.site)}\` over \`${shortSite(theirs.site)}\`).`;
}

function merged({ winner, versions, isMerged }) {
  const live = versions.filter(({ operation }) => operation !== 'delete');
  const gone = versions.find(({ operation }) => operation === 'delete');
  if (live.length === 0) return 'Each side deleted it: it stays deleted.';
  const loss = gone === undefined ? '' : ` ${gone.sourceNode}’s delete loses under merge to a live version.`;
  if (live.length === 1) return loss.trim();
  if (!isMerged) return `Vectors of different dimensions have no mean: the last live version stands.${loss}`;
  return `${mean(live)}${keys(winner, live)}.${loss}`;
}

function mean(live) {
  const [first, ...rest] = live;
  if (rest.every(({ vector }) => vector.every((value, index) => value === first.vector[index]))) {
    return live.length === 2 ? 'Both hold the same vector' : 'All hold the same vector';
  }
  return live.length === 2 ? 'Mean of both vectors' : `Mean of ${live.length} vectors`;
}

// Only keys on which the versions differ: where each of them came from.
function keys(winner, live) {
  const names = Object.keys(winner.metadata ?? {}).sort((one, other) => (other === 'text') - (one === 'text'));
  const sources = names.flatMap((key) => {
    const holders = live.filter(({ metadata }) => metadata !== undefined && Object.hasOwn(metadata, key));
    const values = new Set(holders.map(({ metadata }) => JSON.stringify(metadata[key])));
    if (holders.length === live.length && values.size === 1) return [];
    return [`\`${key}\` from ${holders.at(-1).sourceNode}`];
  });
  return sources.length === 0 ? '' : `; ${sources.join(', ')}`;
}

function shortSite(site) {
  return site.includes('@') ? `${site.slice(site.lastIndexOf('@') + 1).slice(0, 6)}…` : site;
}

// Names of nodes keep their letters.
function lowerFirst(sentence) {
  return sentence.startsWith('Same ') ? `same ${sentence.slice(5)}` : sentence;
}
