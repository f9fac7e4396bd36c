// A node in a process of its own: does what its parent asks it for over the channel that fork() made.
import { Delta, VectorQuicSync, VectrDB, applyDelta, computeDelta } from '@agentic-flow/sqlite-vector';

const state = {};

const work = {
  async open({ options, name, config, quicConfig, listen }) {
    state.db = await VectrDB.open(options);
    state.sync = new VectorQuicSync(state.db, name, { retryBackoffMs: 1, ...config });
    await state.sync.initialize(quicConfig);
    const address = listen && (await state.sync.listen(listen === true ? '127.0.0.1:0' : undefined));
    return { address, fingerprint: state.sync.fingerprint };
  },
  call({ on, method, args }) {
    return state[on][method](...args);
  },
  async computeDelta({ since, options }) {
    return (await computeDelta(state.db, since, options)).serialize();
  },
  applyDelta({ bytes }) {
    return applyDelta(state.db, Delta.deserialize(bytes));
  },
  async close() {
    await state.sync.close();
    await state.db.close();
    process.disconnect();
  },
};

process.on('message', async ({ number, task, ...parameters }) => {
  try {
    const value = await work[task](parameters);
    if (process.connected) process.send({ number, value });
  } catch (error) {
    process.send({ number, error: { message: error.message, code: error.code } });
  }
});
