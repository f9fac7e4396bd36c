// An agent's side of the channel that AgentProcess made: does what its parent asks for, and ends with it.

/** Carries out `commands` on request; `close` among them is the last. `ready` is told to the parent first. */
export function obey({ close, ...commands }, ready) {
  const orphaned = () => process.exit(1);
  process.on('disconnect', orphaned);
  const all = {
    ...commands,
    close: async () => {
      await close();
      // With all handles closed and nobody to listen to, the process ends by itself.
      process.off('disconnect', orphaned).disconnect();
    },
  };
  process.on('message', async ({ call, args }) => {
    try {
      const value = await all[call](...args);
      if (process.connected) process.send({ value });
    } catch (error) {
      process.send({ error: `${error.code}: ${error.message}` });
    }
  });
  process.send({ ready });
}
