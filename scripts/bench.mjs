// All benchmarks: `npm run bench`. Installs, builds and measures; arguments go to criterion as filters.
import { build } from './build.mjs';
import { builtProgram, cargo } from './run/cargo.mjs';
import { filesUnder } from './run/files.mjs';
import { setup } from './setup.mjs';
import { main, run, step } from './run/step.mjs';

await main(import.meta.url, async () => {
  await setup();
  await build();
  // The whole workspace, so that the features, and with them the built dependencies, are those of the tests.
  await step('Rust benchmarks', () => cargo(['bench', '--locked', '--workspace', '--bench', '*', '--', ...process.argv.slice(2)]));
  // Cargo has built the package's programs along with its benchmarks.
  await step('a whole sync against the bare pipeline', () => run(builtProgram('pipeline'), []));
  await step('TCP against QUIC', () => run(builtProgram('fallback'), []));
  await step('a request against a bare round trip', () => run(builtProgram('request'), []));
  const isBenchmark = (path) => path.endsWith('.mjs') && !path.includes('/support/');
  for (const file of [...filesUnder('benches/node', isBenchmark), ...filesUnder('benches/browser', isBenchmark)]) {
    await step(file, () => run('node', ['--expose-gc', file]));
  }
});
