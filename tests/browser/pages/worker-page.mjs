// A page that leaves the work to a module worker.
globalThis.results = new Promise((resolve, reject) => {
  const worker = new Worker('/browser/pages/worker.mjs', { type: 'module' });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message, filename, lineno }) => reject(new Error(`${message} (${filename}:${lineno})`));
});
