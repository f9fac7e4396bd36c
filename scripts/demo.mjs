// Two processes, real vectors, real QUIC: `npm run demo`. Installs, builds and runs.
import { build } from './build.mjs';
import { setup } from './setup.mjs';
import { main, run, step } from './run/step.mjs';

await main(import.meta.url, async () => {
  await setup();
  await build();
  await step('demo', () => run('node', ['examples/demo/main.mjs', ...process.argv.slice(2)]));
});
