// A program that is written against Agentic Flow's AgentTransport runs unchanged on QuicTransport.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { file } from './support.mjs';

function start(t, ...args) {
  const child = fork(fileURLToPath(new URL('actors/agent.mjs', import.meta.url)), args);
  t.after(() => child.kill('SIGKILL'));
  return child;
}

test('two processes of agents that know AgentTransport only do their work, and end by themselves', async (t) => {
  const source = readFileSync(new URL('../types/agent.ts', import.meta.url), 'utf8');
  const { target, module } = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
  const program = file('agent.mjs');
  writeFileSync(program, ts.transpileModule(source, { compilerOptions: { target, module } }).outputText);
  const url = pathToFileURL(program).href;

  const worker = start(t, url);
  const [address] = await once(worker, 'message');
  const leader = start(t, url, address);
  const left = once(leader, 'exit');
  const [{ sums, created }] = await once(leader, 'message');
  assert.deepEqual(sums, Array.from({ length: 21 }, (_, id) => id + 3));
  assert.equal(created, 1);
  assert.deepEqual(await left, [0, null]);

  const ended = once(worker, 'exit');
  worker.send('close');
  const [done] = await once(worker, 'message');
  assert.equal(done, 21);
  assert.deepEqual(await ended, [0, null]);
});
