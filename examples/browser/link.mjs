// What is chosen, in the address: a link leads to the same view.

export const STRATEGIES = ['last-write-wins', 'first-write-wins', 'merge', 'manual'];

/** '#strategy=merge&conflicts=1&q=train' */
export function readLink(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const strategy = given.get('strategy');
  return {
    strategy: STRATEGIES.includes(strategy) ? strategy : STRATEGIES[0],
    conflictsOnly: given.get('conflicts') === '1',
    query: given.get('q') ?? '',
  };
}

/** The other way round. */
export function linkTo({ strategy, conflictsOnly, query }) {
  const link = new URLSearchParams({ strategy });
  if (conflictsOnly) link.set('conflicts', '1');
  if (query !== '') link.set('q', query);
  return `#${link}`;
}
