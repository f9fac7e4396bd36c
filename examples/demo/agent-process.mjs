// A handle on an agent in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';

export class AgentProcess {
  /** Starts an agent on a database file and waits until it is ready. */
  static async start(path, nodeId, program = new URL('agent.mjs', import.meta.url)) {
    const child = fork(program, [path, nodeId]);
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`${nodeId} ended with ${code}`))),
    ]);
    return new AgentProcess(child, nodeId, message.ready);
  }

  constructor(child, nodeId, fingerprint) {
    Object.assign(this, { child, nodeId, fingerprint });
  }

  /** Calls a command of the agent; `onProgress` hears how far a sync has come. Rejects when the process ends. */
  call(name, args = [], onProgress = () => {}) {
    const { child, nodeId } = this;
    return new Promise((resolve, reject) => {
      const settle = (finish, value) => {
        child.off('message', onMessage).off('exit', onExit);
        finish(value);
      };
      const onExit = (code, signal) => settle(reject, new Error(`${nodeId} ended: ${signal ?? code}`));
      const onMessage = (message) => {
        if (message.progress) onProgress(message.progress);
        else if (message.error) settle(reject, new Error(`${nodeId}: ${message.error}`));
        else settle(resolve, message.value);
      };
      child.on('message', onMessage).on('exit', onExit);
      child.send({ call: name, args });
    });
  }

  /** kill -9 */
  async kill() {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  async close() {
    const gone = once(this.child, 'exit');
    this.child.send({ call: 'close', args: [] });
    const [code] = await gone;
    if (code !== 0) throw new Error(`${this.nodeId} ended with ${code}`);
  }
}
