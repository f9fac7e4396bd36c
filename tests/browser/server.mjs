// A static file server on this machine, for pages that a browser is to open.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Serves folders, given by the prefix of their paths, as `{ '/dist/': folder }`. `/page.html?script=PATH` is a page
 *  that loads one module, under the Content Security Policy that `&policy=` may give. Resolves to the origin, and to a function that ends the server. */
export async function serve(folders) {
  const server = createServer((request, response) => {
    answer(folders, new URL(request.url, 'http://localhost')).then(
      ({ type, body }) => response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(body),
      (error) => response.writeHead(404).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}

async function answer(folders, { pathname, searchParams }) {
  if (pathname === '/page.html') return { type: TYPES['.html'], body: page(searchParams) };
  const prefix = Object.keys(folders).find((known) => pathname.startsWith(known));
  if (prefix === undefined) throw new Error(`nothing is served at ${pathname}`);
  const path = normalize(join(folders[prefix], decodeURIComponent(pathname.slice(prefix.length))));
  if (!path.startsWith(normalize(folders[prefix] + sep))) throw new Error(`${pathname} leads out of its folder`);
  const type = TYPES[extname(path)];
  if (type === undefined) throw new Error(`${pathname} has no type that this server knows`);
  return { type, body: await readFile(path) };
}

// The icon keeps the browser from asking for one, which it would report as an error.
const page = (parameters) => `<!doctype html>
<meta charset="utf-8">
${parameters.has('policy') ? `<meta http-equiv="Content-Security-Policy" content="${parameters.get('policy')}">` : ''}
<title>a page under test</title>
<link rel="icon" href="data:,">
<script type="module" src="${encodeURI(parameters.get('script'))}"></script>
`;
