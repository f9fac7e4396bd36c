// Nothing of this is about the package: the folder lies within a repository that has packages of its own.
export default {
  output: 'standalone',
  distDir: process.env.CONSUMER_DIST,
  turbopack: { root: import.meta.dirname },
  outputFileTracingRoot: import.meta.dirname,
  // docs/bundlers.md: webpack needs this line, Turbopack does not.
  ...(process.env.CONSUMER_DIST === 'webpack' && { serverExternalPackages: ['@agentic-flow/sqlite-vector'] }),
};
