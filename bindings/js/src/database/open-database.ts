// The type of a database argument.
import type { asyncDispose } from '../lifecycle/disposal';
import type { VectrDB } from './database';

/** A `VectrDB` by its methods, so that equal typings from elsewhere fit. Anything else is a TypeError at run time. */
export type OpenDatabase = Pick<VectrDB, Exclude<keyof VectrDB, typeof asyncDispose>>;
