// The parent's side of a node in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts a node, killed at the latest after the test. */
export async function startNode(t, { path, name, shardId = 'shared', config, quicConfig, listen = true, env }) {
  const child = fork(fileURLToPath(new URL('node.mjs', import.meta.url)), {
    serialization: 'advanced',
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const waiting = new Map();
  let number = 0;
  child.on('message', ({ number, value, error }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (error) reject(Object.assign(new Error(error.message), { code: error.code }));
    else resolve(value);
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process has ended'));
  });
  const ask = (task, parameters = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++number, { resolve, reject });
      child.send({ number, task, ...parameters });
    });
  const { address, fingerprint } = await ask('open', {
    options: { path, shardId, nodeId: name },
    name,
    config,
    quicConfig,
    listen,
  });
  return {
    address,
    fingerprint,
    path,
    name,
    db: (method, ...args) => ask('call', { on: 'db', method, args }),
    sync: (method, ...args) => ask('call', { on: 'sync', method, args }),
    /** Deltas cross as bytes. */
    computeDelta: (since, options) => ask('computeDelta', { since, options }),
    applyDelta: (bytes) => ask('applyDelta', { bytes }),
    /** Closes both handles; resolves to [exit code, signal], which must come about by itself. */
    async close() {
      ask('close').catch(() => {});
      return exited;
    },
    /** kill -9. */
    async kill() {
      child.kill('SIGKILL');
      return exited;
    },
  };
}
