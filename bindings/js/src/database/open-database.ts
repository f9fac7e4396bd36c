// The type of a database argument.
import type { asyncDispose } from '../lifecycle/disposal';
import type { VectrDB } from './database';

/** A `VectrDB`, typed by its methods so that typings of another copy of the package fit, which may lack those that no
 *  other class calls. Any other object is a TypeError at run time. */
export type OpenDatabase = Pick<VectrDB, Exclude<keyof VectrDB, typeof asyncDispose | 'changes' | 'getStats' | 'readOnly'>>;
