// The addon in the package beside this one. Each path is written out, with Node's own functions around it: what traces the
// files of a program (Next.js, Vercel's nft) evaluates just that, and takes the addon along. A `require` of its package
// would do for nft, but Turbopack and esbuild refuse to build one that leads to compiled code.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The file of a platform's addon in the folder where npm and pnpm put its package, if it is there. */
export function beside(platform: string): string | undefined {
  switch (platform) {
    case 'linux-x64-gnu':
      return existing(join(__dirname, '../../../sqlite-vector-linux-x64-gnu/sqlite-vector.linux-x64-gnu.node'));
    case 'linux-arm64-gnu':
      return existing(join(__dirname, '../../../sqlite-vector-linux-arm64-gnu/sqlite-vector.linux-arm64-gnu.node'));
    case 'linux-x64-musl':
      return existing(join(__dirname, '../../../sqlite-vector-linux-x64-musl/sqlite-vector.linux-x64-musl.node'));
    case 'linux-arm64-musl':
      return existing(join(__dirname, '../../../sqlite-vector-linux-arm64-musl/sqlite-vector.linux-arm64-musl.node'));
    case 'darwin-x64':
      return existing(join(__dirname, '../../../sqlite-vector-darwin-x64/sqlite-vector.darwin-x64.node'));
    case 'darwin-arm64':
      return existing(join(__dirname, '../../../sqlite-vector-darwin-arm64/sqlite-vector.darwin-arm64.node'));
    case 'win32-x64-msvc':
      return existing(join(__dirname, '../../../sqlite-vector-win32-x64-msvc/sqlite-vector.win32-x64-msvc.node'));
    default:
      return undefined;
  }
}

function existing(file: string): string | undefined {
  return existsSync(file) ? file : undefined;
}
