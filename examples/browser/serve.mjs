// A static file server for the page: `node examples/browser/serve.mjs [port]`. Any other one does as well.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.md': 'text/plain; charset=utf-8',
  '.png': 'image/png',
};

/** Serves this repository to this machine only. Port 0: any free one. Resolves to the page's address, and to a function
 *  that ends the server. */
export async function servePage(port = 0) {
  const server = createServer((request, response) => {
    answer(new URL(request.url, 'http://localhost').pathname).then(
      ({ type, body }) => response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' }).end(body),
      () => response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n'),
    );
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${server.address().port}/examples/browser/`, close };
}

async function answer(pathname) {
  const path = normalize(join(ROOT, decodeURIComponent(pathname)));
  const file = path.endsWith(sep) ? join(path, 'index.html') : path;
  if (!file.startsWith(normalize(ROOT))) throw new Error(`${pathname} leads out of the repository`);
  return { type: TYPES[extname(file)] ?? 'application/octet-stream', body: await readFile(file) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await servePage(Number(process.argv[2] ?? 8080));
  console.log(`open ${url}`);
}
