// Hostile clients against `vectr serve`, and a soak: tests that need the machine for themselves.
import { cargo } from './cargo.mjs';

/** Each client whose name has `name` in it, for so many seconds. */
export function hostileClients(seconds, name = '') {
  return cargo(testOf('hostile_clients'), { VECTR_HOSTILE_SECONDS: String(seconds), VECTR_HOSTILE_ONLY: name });
}

/** All of them by turns, beside peers that come and go. */
export function soak(seconds) {
  return cargo(testOf('a_hub_keeps_its_size'), { VECTR_SOAK_SECONDS: String(seconds) });
}

// The whole workspace, so that nothing is built again with other features.
function testOf(name) {
  return ['test', '--locked', '--release', '--workspace', '--test', 'hostile', '--', '--ignored', '--nocapture', name];
}
