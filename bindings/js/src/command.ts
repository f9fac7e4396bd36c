#!/usr/bin/env node
// The command `vectr`: the compiled one, with this process's arguments and signals.
import { messageOf } from './check/thrown';
import { loadAddon } from './native/loader';
import type * as Native from './native/native';

const args = process.argv.slice(2);
const addon = loadOrExit();
const stop = new addon.NativeCancellation();
const signals = ['SIGINT', 'SIGTERM'] as const;
// The first of either is heard, and its echo: a terminal sends a Ctrl-C to every process in front, and npm passes it on
// besides. A later one finds nobody, and ends the process as it would any other.
const echoMs = 500;
const forget = () => {
  for (const signal of signals) process.removeListener(signal, cancel);
};
const cancel = () => {
  stop.cancel();
  setTimeout(forget, echoMs).unref();
};
for (const signal of signals) process.on(signal, cancel);
void addon.runCommand(args, stop).then((code) => process.exit(code));

// As the compiled command reports a failure.
function loadOrExit(): typeof Native {
  try {
    return loadAddon();
  } catch (thrown) {
    const error = messageOf(thrown);
    console.error(`vectr: ERR_ADDON: ${error}`);
    if (args.includes('--json')) console.log(JSON.stringify({ error, errorCode: 'ERR_ADDON' }));
    process.exit(1);
  }
}
