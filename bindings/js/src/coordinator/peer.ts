// The peers of a coordinator.
import { wrongType } from '../check/error';
import { checkOptionalInteger } from '../check/number';
import { checkOptions } from '../check/options';
import { checkText, checkWord } from '../check/text';
import { checkId } from '../delta/name';
import type { PeerRecord } from '../native/native';
import type { BatchedRecords } from './batched-records';

export interface PeerInfo {
  nodeId: string;
  /** `host:port`, `host` (port 4433) or `[ipv6]:port`. */
  address: string;
  /** The shards to sync with it. */
  shards: string[];
  /** Microseconds since the Unix epoch: when it last answered. */
  lastContact?: number;
  /** The result of the last health check or sync. */
  status: 'online' | 'offline' | 'unknown';
}

/** Throws unless the value is a peer. One without a status is 'unknown'. @internal */
export function checkPeer(name: string, value: unknown): PeerInfo {
  if (value === undefined) throw wrongType(name, 'an object', value);
  const given = checkOptions<PeerInfo>(name, value, KEYS);
  const { shards, status = 'unknown' } = given as Partial<PeerInfo>;
  if (!Array.isArray(shards)) throw wrongType(`${name}.shards`, 'an array of strings', shards);
  const lastContact = checkOptionalInteger(`${name}.lastContact`, given.lastContact, 0, Number.MAX_SAFE_INTEGER);
  return {
    nodeId: checkId(`${name}.nodeId`, given.nodeId),
    address: checkText(`${name}.address`, given.address),
    shards: shards.map((shard: unknown, index) => checkId(`${name}.shards[${index}]`, shard)),
    ...(lastContact !== undefined && { lastContact }),
    status: checkWord(`${name}.status`, status, STATUSES),
  };
}

/** Into the addon's form: node, address, status, last contact or -1, how many shards, and these. @internal */
export function pushPeer(buffer: BatchedRecords, { nodeId, address, shards, lastContact = -1, status }: PeerInfo): void {
  buffer.name(nodeId).name(address).number(STATUSES.indexOf(status)).number(lastContact).number(shards.length);
  for (const shard of shards) buffer.name(shard);
  buffer.end();
}

/** From the addon's form. @internal */
export function peerOf({ lastContact, ...record }: PeerRecord): PeerInfo {
  return { ...record, ...(lastContact !== undefined && { lastContact }) };
}

const KEYS: ReadonlyArray<keyof PeerInfo> = ['nodeId', 'address', 'shards', 'lastContact', 'status'];
const STATUSES: ReadonlyArray<PeerInfo['status']> = ['unknown', 'online', 'offline'];
