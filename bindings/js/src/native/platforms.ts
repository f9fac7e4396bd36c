// Which platforms have a package with a compiled addon, and which of them this process is.

export const PACKAGE = '@agentic-flow/sqlite-vector';

/** The platforms that have a package: `napi.targets` of package.json. */
export const PACKAGED = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
];

/** The package of a platform. */
export function packageOf(platform: string): string {
  return `${PACKAGE}-${platform}`;
}

/** The name of a platform's addon, in its package and in dist/. */
export function fileOf(platform: string): string {
  return `sqlite-vector.${platform}.node`;
}

/** The names under which an addon for this machine may have been built, in the order to try. */
export function candidates(): string[] {
  const base = `${process.platform}-${process.arch}`;
  // npm installs only the one that fits the C library; where both are there, the wrong one does not load.
  if (process.platform === 'linux') return [`${base}-gnu`, `${base}-musl`];
  return [process.platform === 'win32' ? `${base}-msvc` : base];
}

/** The one that is this machine's. Asked only once something has failed: the report is slow. */
export function ownPlatform(): string {
  const foreign = usesGlibc() ? '-musl' : '-gnu';
  return candidates().find((name) => !name.endsWith(foreign)) as string;
}

function usesGlibc(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}
