// The workflows, which run elsewhere, agree with the repository.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { platformPackages } from '../../scripts/release/pack.mjs';
import { root } from './support.mjs';

const release = readFileSync(join(root, '.github/workflows/release.yml'), 'utf8');
const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test('it builds the addon of every target, and no other', () => {
  assert.deepEqual(found(/- target: (\S+)/g), [...napi.targets].sort());
});

test('it tests the tarballs on every platform, with every Node that is promised', () => {
  assert.deepEqual(found(/\{ name: ([^ ,]+)/g), platformPackages().map(({ platform }) => platform));
  assert.match(release, /node: \[20, 22, 24\]/);
});

test('pull requests are tested on each system, and with the oldest Rust that is promised', () => {
  const ci = readFileSync(join(root, '.github/workflows/ci.yml'), 'utf8');
  assert.match(ci, /runner: \[macos-15, windows-2022\]/);
  assert.match(ci, /rustup toolchain install "\$version"/);
  const cargo = readFileSync(join(root, 'Cargo.toml'), 'utf8');
  const [, promised] = /^rust-version = "(\d+\.\d+)"$/m.exec(cargo);
  const setup = readFileSync(join(root, 'scripts/install/toolchain.mjs'), 'utf8');
  assert.ok(setup.includes(`const RUST = [${promised.replace('.', ', ')}];`), 'the setup asks for another Rust');
  assert.ok(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8').includes(`Rust ${promised} or newer`));
});

test('every script that a workflow runs is there', () => {
  for (const file of readdirSync(join(root, '.github/workflows'))) {
    const text = readFileSync(join(root, '.github/workflows', file), 'utf8');
    const scripts = [...text.matchAll(/(?:node |sh |run: )((?:scripts|\.ci)\/\S+)/g)].map(([, path]) => path);
    assert.ok(scripts.length > 0, file);
    for (const path of scripts) assert.ok(existsSync(join(root, path)), `${file} runs ${path}`);
  }
});

test('only the job that publishes may ask for an identity, and only for a tag', () => {
  assert.equal(release.match(/id-token: write/g).length, 1);
  const [, publish] = release.split(/^ {2}publish:$/m);
  assert.match(publish, /^ {4}if: startsWith\(github\.ref, 'refs\/tags\/v'\)$/m);
  assert.match(publish, /id-token: write/);
});

function found(pattern) {
  return [...release.matchAll(pattern)].map(([, name]) => name).sort();
}
