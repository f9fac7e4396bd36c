// The compiled addon, for modules that are nothing without it.
import type * as Native from './native';
import { loadAddon } from './loader';

/** The addon's exports. Loading this module throws ERR_ADDON, which says the way out, if there is none. */
export const addon: typeof Native = loadAddon();
