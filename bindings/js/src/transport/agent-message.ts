// Messages between agents, as users see them and as they cross into the addon.
import { VectrError, argumentError, describe, kindOf, outOfRange, wrongType } from '../check/error';
import { checkOptions } from '../check/options';
import { checkText } from '../check/text';
import type { AttachmentRecord, MessageRecord } from '../native/native';
import { checkPayload } from './message-payload';

/** A message from one agent to another. */
export interface AgentMessage {
  /** Chosen by the sender. A message that comes back with the id of a request answers it. */
  id: string;
  type: 'task' | 'result' | 'status' | 'coordination' | 'heartbeat' | (string & {});
  /** JSON values, which may contain Uint8Arrays and Float32Arrays at any depth. */
  payload: unknown;
  /** JSON values. */
  metadata?: Record<string, unknown>;
  /** Messages with the same streamId stay in order; different streams do not wait for each other. Default: 'default'.
   *  1 and '1' are the same. */
  streamId?: string | number;
}

/** The maximum size of a message's payload and metadata together, in bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** The addon's form of a message. @internal */
export function checkMessage(name: string, value: unknown): MessageRecord {
  if (value === undefined) throw wrongType(name, 'an AgentMessage', value);
  const given = checkOptions<AgentMessage>(name, value, KEYS);
  const { payload, attachments } = checkPayload(`${name}.payload`, given.payload);
  const size = attachments.reduce((sum, { bytes }) => sum + bytes.length, 0);
  // The addon checks the whole message: this only keeps it from copying arrays that are too large.
  if (size > MAX_MESSAGE_BYTES) {
    throw new VectrError(
      'ERR_LIMIT',
      `${name} has ${size} bytes in arrays, and at most ${MAX_MESSAGE_BYTES} are allowed: send it in parts`,
    );
  }
  return {
    id: checkText(`${name}.id`, given.id),
    kind: checkText(`${name}.type`, given.type),
    ...checkStreamId(`${name}.streamId`, given.streamId),
    payload,
    metadata: checkMetadata(`${name}.metadata`, given.metadata),
    attachments,
  };
}

/** The addon's form of a stream's name. @internal */
export function checkStreamId(name: string, value: unknown): Pick<MessageRecord, 'stream' | 'streamForm'> {
  if (value === undefined) return { stream: 'default', streamForm: 0 };
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw outOfRange(name, 'a finite number, or text', value);
    return { stream: String(value), streamForm: 2 };
  }
  if (typeof value !== 'string') throw wrongType(name, 'a string or a number', value);
  if (value === '') throw outOfRange(name, 'a number, or text that is not empty', value);
  return { stream: checkText(name, value), streamForm: 1 };
}

/** From the addon's form. ERR_PROTOCOL if another program sent text that is not JSON. @internal */
export function messageOf(record: MessageRecord): AgentMessage {
  const message: AgentMessage = { id: record.id, type: record.kind, payload: payloadOf(record) };
  if (record.metadata !== undefined) message.metadata = parse(record.metadata) as Record<string, unknown>;
  if (record.streamForm === 1) message.streamId = record.stream;
  if (record.streamForm === 2) message.streamId = Number(record.stream);
  return message;
}

function checkMetadata(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongType(name, 'a plain object', value);
  const { payload, attachments } = checkPayload(name, value);
  if (attachments.length > 0) {
    const [{ pointer }] = attachments as [AttachmentRecord];
    throw argumentError(`${name}${pointer} is a typed array: only the payload may hold one`);
  }
  return payload;
}

function payloadOf({ payload, attachments }: MessageRecord): unknown {
  const [first] = attachments;
  if (first?.pointer === '') return arrayOf(first);
  const value = payload === undefined ? undefined : parse(payload);
  for (const attachment of attachments) put(value, attachment);
  return value;
}

function put(value: unknown, attachment: AttachmentRecord): void {
  const keys = attachment.pointer.split('/').slice(1);
  const last = unescaped(keys.pop() ?? '');
  let holder = value;
  for (const key of keys) holder = own(holder, unescaped(key));
  if (own(holder, last) !== null) throw foreign(`an array at '${attachment.pointer}', where the payload has no placeholder`);
  (holder as Record<string, unknown>)[last] = arrayOf(attachment);
}

function own(holder: unknown, key: string): unknown {
  if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, key)) return undefined;
  return (holder as Record<string, unknown>)[key];
}

function unescaped(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}

function arrayOf({ kind, bytes }: AttachmentRecord): Uint8Array | Float32Array {
  if (kind === 0) return bytes;
  const { buffer, byteOffset, byteLength } = byteOffsetIsWhole(bytes) ? bytes : bytes.slice();
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

function byteOffsetIsWhole({ byteOffset }: Uint8Array): boolean {
  return byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw foreign(`text that is not JSON (${(error as Error).message})`);
  }
}

function foreign(what: string): VectrError {
  return new VectrError('ERR_PROTOCOL', `the peer sent a message with ${what}`);
}

/** Whether a handler answered. A TypeError for anything but a message, null or undefined. @internal */
export function isAnswer(value: unknown): value is AgentMessage {
  if (value === undefined || value === null) return false;
  if (typeof value === 'object' && kindOf(value) === 'Object') return true;
  throw argumentError(`a handler returned ${describe(value)}: return an AgentMessage, or nothing`);
}

const KEYS: ReadonlyArray<keyof AgentMessage> = ['id', 'type', 'payload', 'metadata', 'streamId'];
