// What is wrong with a change. Packing only finds out that something is: these checks say what, and in which change.
import { VectrError, argumentError, describe, wrongType } from '../check/error';
import { checkMetadata } from '../check/metadata';
import { checkInteger } from '../check/number';
import { checkWord } from '../check/text';
import { arrayName, checkVector, isShared } from '../check/vector';
import { OPERATIONS } from './backend/backend';
import type { VectorChange } from './change';
import { MAX_KEY_BYTES, MAX_VECTOR_ID_BYTES, checkId, checkName } from './name';

/** Tells changes apart in messages: `changes[3]`. @internal */
export type Naming = (index: number) => string;

/** Names by place: `changes[3]`. @internal */
export function inArray(name: string): Naming {
  return (index) => `${name}[${index}]`;
}

/** An array, and never a copy of it. @internal */
export function checkArray(name: string, value: unknown, of: string): unknown[] {
  if (!Array.isArray(value)) throw wrongType(name, `an array of ${of}`, value);
  return value;
}

/** An object that is no array. @internal */
export function checkObject(name: string, value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, what, value);
  return value as Record<string, unknown>;
}

/** Whether a value is a Map, of whatever realm. @internal */
export function isMap(value: unknown): value is Map<unknown, unknown> {
  try {
    Map.prototype.has.call(value as Map<unknown, unknown>, '');
    return true;
  } catch {
    return false;
  }
}

/** Bytes; memory that another thread may change is copied. @internal */
export function checkBytes(name: string, value: unknown): Uint8Array {
  if (!ArrayBuffer.isView(value) || arrayName(value) !== 'Uint8Array') throw wrongType(name, 'a Uint8Array', value);
  const bytes = value as Uint8Array;
  return isShared(bytes.buffer) ? bytes.slice() : bytes;
}

/** The shard of the first change; whether it is that of all others packing tells. @internal */
export function sharedShard(changes: readonly VectorChange[]): string {
  return changes[0]?.shardId ?? '';
}

/** Throws for the first change that cannot be used, or is of another shard. @internal */
export function checkChanges(shardId: string, changes: readonly unknown[], nameOf: Naming): void {
  for (let index = 0; index < changes.length; index++) checkChange(nameOf(index), changes[index], shardId);
}

/** Throws unless the value is a change; of the shard, where one is given. @internal */
export function checkChange(name: string, value: unknown, shardId?: string): void {
  const change = checkObject(name, value, 'a change');
  checkInteger(`${name}.id`, change.id);
  const shard = checkId(`${name}.shardId`, change.shardId);
  if (shardId !== undefined && shard !== shardId) {
    throw new VectrError(
      'ERR_ARGUMENT',
      `${name}.shardId is ${describe(shard)}: give changes of one shard, here ${describe(shardId)}`,
    );
  }
  checkName(`${name}.vectorId`, change.vectorId, MAX_VECTOR_ID_BYTES);
  checkInteger(`${name}.timestamp`, change.timestamp);
  checkName(`${name}.sourceNode`, change.sourceNode, MAX_KEY_BYTES);
  const versions = checkVersions(`${name}.versionVector`, change.versionVector);
  if (change.dot !== undefined) checkDot(`${name}.dot`, change.dot);
  else checkImpliedDot(name, change.sourceNode as string, versions);
  checkContents(name, change);
}

/** A version vector: a Map from keys to whole numbers. @internal */
export function checkVersions(name: string, value: unknown): Map<string, number> {
  if (!isMap(value)) throw wrongType(name, 'a Map of keys and whole numbers', value);
  for (const [key, seq] of value) {
    checkName(`a key of ${name}`, key, MAX_KEY_BYTES);
    checkInteger(`${name}.get(${describe(key)})`, seq);
  }
  return value as Map<string, number>;
}

/** Operation, vector and metadata, which must fit together. @internal */
export function checkContents(name: string, { operation, vector, metadata }: Record<string, unknown>): void {
  checkMetadata(`${name}.metadata`, metadata);
  const does = checkWord(`${name}.operation`, operation, OPERATIONS.slice(1) as string[]);
  if (does === 'insert' || vector !== undefined) {
    if (does === 'delete') throw argumentError(`${name}.vector is ${describe(vector)}: leave it out of a delete`);
    checkVector(`${name}.vector`, vector);
  }
}

function checkDot(name: string, value: unknown): void {
  const { site, seq } = checkObject(name, value, 'a site and a number');
  checkName(`${name}.site`, site, MAX_KEY_BYTES);
  checkInteger(`${name}.seq`, seq, 1);
}

// Without a dot the source's own entry is the change's number.
function checkImpliedDot(name: string, source: string, versions: Map<string, number>): void {
  for (const [key, seq] of versions) {
    if (seq > 0 && (key === source || (SITE.test(key) && site(key) === site(source)))) return;
  }
  throw argumentError(`${name} has no dot, and its versionVector has no entry for ${describe(source)}: give one of them`);
}

function site(key: string): string | undefined {
  return SITE.exec(key)?.[0];
}

// The number of a site, with or without a name before it.
const SITE = /(?<=^|@)[0-9a-f]{16}$/;
