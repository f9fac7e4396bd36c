// What the documents' examples find around them: a folder, a server, a peer. main.mjs starts all that.

/** Where shards lie. */
export const SHARDS = given('SHARDS');
/** In the documents `coordination-server.local`. */
export const SERVER = given('SERVER');
/** In the documents `192.168.1.100:4433`. */
export const PEER = given('PEER');

/** Has the peer write a vector `news` into `shard-1`. */
export function changeAtPeer(): void {
  process.send?.('change');
}

function given(name: string): string {
  const value = process.env[`EXAMPLE_${name}`];
  if (value === undefined) throw new Error(`EXAMPLE_${name} is not set: run main.mjs`);
  return value;
}
