// Long conversions stop now and then, so that timers and sockets of the process are served in between.
// Not the global one, which test runners replace.
import { timers } from '../native/builtins';

/** What is converted in parts that each take the event loop a millisecond or two. @internal */
export interface Source {
  /** How much has not been taken; 0 at the end. */
  readonly left: number;
  /** Drops what has not been taken. */
  free?(): void;
}

/** Calls `take` until nothing is left of the source; the event loop goes round in between, and `check`, which throws once
 *  the call has to end, is called after that. @internal */
export async function inParts(source: Source, take: () => void, check?: () => void): Promise<void> {
  try {
    for (take(); source.left > 0; take()) {
      await nextTurn();
      check?.();
    }
  } catch (error) {
    source.free?.();
    throw error;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => timers.setImmediate(resolve));
}
