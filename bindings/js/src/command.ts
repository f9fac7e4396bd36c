#!/usr/bin/env node
// The command `vectr`: the compiled one, with this process's arguments and signals.
import { addon } from './native/addon';

const stop = new addon.NativeCancellation();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Heard once: a second one finds nobody, and ends the process as it would any other.
  process.once(signal, () => stop.cancel());
}
void addon.runCommand(process.argv.slice(2), stop).then((code) => process.exit(code));
