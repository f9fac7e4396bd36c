// The addon of one platform as it is published: `node scripts/release/addon.mjs [TARGET]`, into target/addons/.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, run, step, StepFailure } from '../run/step.mjs';

await main(import.meta.url, async () => {
  const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const target = process.argv[2] ?? hostTarget();
  if (!napi.targets.includes(target)) {
    throw new StepFailure(`${target} is no target of package.json: ${napi.targets.join(', ')}`);
  }
  await step(`the addon for ${target}`, () =>
    run('napi', ['build', '--platform', '--profile', 'dist', '--target', target,
      '--manifest-path', 'bindings/node/Cargo.toml', '--output-dir', 'target/addons', '--no-js', '--no-const-enum',
      '--', '--locked']),
  );
});

function hostTarget() {
  return /^host: (.+)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))[1];
}
