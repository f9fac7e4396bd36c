// What is checked without running a test.
import { ensureTool } from '../install/python-tools.mjs';
import { audit } from './audit.mjs';
import { cargo } from './cargo.mjs';
import { run } from './step.mjs';

// The profile and features of the tests, so that what is compiled for them serves here.
const EVERYTHING = ['--locked', '--release', '--workspace'];

/** The steps, cheapest first. */
export const lints = [
  { name: 'Rust formatting', work: () => cargo(['fmt', '--all', '--check']) },
  { name: 'spelling', work: async () => run(await ensureTool('typos'), []) },
  { name: 'licences, bans and sources', work: licences },
  { name: 'advisories about npm packages', work: async () => audit() },
  { name: 'Rust lints', work: () => cargo(['clippy', ...EVERYTHING, '--all-targets', '--', '-D', 'warnings']) },
  { name: 'Rust documentation', work: documentation },
].map((step) => ({ group: 'lint', ...step }));

/** Fails where a public item is undocumented or a link in the documentation leads nowhere. */
export function documentation() {
  return cargo(['doc', ...EVERYTHING, '--no-deps'], { RUSTDOCFLAGS: '-D warnings' });
}

async function licences() {
  await run(await ensureTool('cargo-deny'), ['--locked', 'check', '--hide-inclusion-graph', 'licenses', 'bans', 'sources']);
}
