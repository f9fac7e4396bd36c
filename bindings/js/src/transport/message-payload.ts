// Payloads of messages: JSON text, and the typed arrays in it as attachments.
import { argumentError, describe, kindOf } from '../check/error';
import { isPlain } from '../check/metadata';
import { isHalved } from '../check/text';
import { type Thrown, messageOf } from '../check/thrown';
import { arrayName, isFloat32Array } from '../check/vector';
import type { AttachmentRecord } from '../native/native';

/** A payload as JSON text, and the typed arrays that were in it. */
export interface Payload {
  /** With null in place of each array. Undefined without a payload, or if an array is the whole of it. */
  payload: string | undefined;
  attachments: AttachmentRecord[];
}

/** Extracts the arrays. A TypeError names the place of a value that would not arrive unchanged. */
export function checkPayload(name: string, value: unknown): Payload {
  if (value === undefined) return { payload: undefined, attachments: [] };
  const extractor = new AttachmentExtractor(name);
  const plain = withShortStack(() => extractor.plain(value, '', 0));
  const { attachments } = extractor;
  const isArray = attachments[0]?.pointer === '';
  return { payload: isArray ? undefined : JSON.stringify(plain), attachments };
}

// A stack has ten frames: those of the extraction must not hide the caller's.
function withShortStack<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    const { message, thrown } = error;
    throw argumentError(message, checkPayload, thrown && { cause: thrown.thrown });
  }
}

class PayloadError extends Error {
  readonly thrown: Thrown | undefined;

  constructor(message: string, thrown?: Thrown) {
    super(message);
    this.thrown = thrown;
  }
}

class AttachmentExtractor {
  readonly attachments: AttachmentRecord[] = [];
  readonly #name: string;
  readonly #above = new Set<object>();

  constructor(name: string) {
    this.#name = name;
  }

  /** The value itself if it holds no typed array; else a copy with nulls in their places. */
  plain(value: unknown, pointer: string, level: number): unknown {
    switch (typeof value) {
      case 'string':
        if (isHalved(value)) throw this.#refusal(pointer, value);
        return value;
      case 'boolean':
        return value;
      case 'number':
        if (Number.isFinite(value)) return value;
        throw this.#refusal(pointer, value);
      case 'object':
        return value === null ? null : this.#object(value, pointer, level);
      default:
        throw this.#refusal(pointer, value);
    }
  }

  #object(value: object, pointer: string, level: number): unknown {
    if (ArrayBuffer.isView(value)) return this.#attach(value, pointer);
    if (this.#above.has(value)) throw new PayloadError(`${this.#place(pointer)} contains itself: ${WAY_OUT}`);
    if (level === MOST_LEVELS) {
      throw new PayloadError(`${this.#name} has more than ${MOST_LEVELS} levels: ${WAY_OUT}`);
    }
    this.#above.add(value);
    const plain = this.#parts(value, pointer, level);
    this.#above.delete(value);
    return plain;
  }

  #parts(value: object, pointer: string, level: number): unknown {
    try {
      if (Array.isArray(value)) return this.#list(value, pointer, level);
      return this.#record(value as Record<string, unknown>, pointer, level);
    } catch (thrown) {
      if (thrown instanceof PayloadError) throw thrown;
      // A getter or a proxy.
      const message = `${this.#place(pointer)} cannot be read: ${messageOf(thrown)}`;
      throw new PayloadError(message, { thrown });
    }
  }

  #list(values: unknown[], pointer: string, level: number): unknown[] {
    if (hasToJson(values)) throw this.#refusal(pointer, values);
    let copy: unknown[] | undefined;
    for (let index = 0; index < values.length; index++) {
      const plain = this.plain(values[index], `${pointer}/${index}`, level + 1);
      if (plain === values[index]) continue;
      copy ??= values.slice();
      copy[index] = plain;
    }
    return copy ?? values;
  }

  #record(values: Record<string, unknown>, pointer: string, level: number): Record<string, unknown> {
    if (hasToJson(values) || !isPlain(values)) throw this.#refusal(pointer, values);
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(values)) {
      const value = values[key];
      // As JSON has it.
      if (value === undefined) continue;
      if (isHalved(key)) throw this.#refusal(`${pointer}/${escaped(key)}`, key);
      const plain = this.plain(value, `${pointer}/${escaped(key)}`, level + 1);
      if (plain === value) continue;
      // Without a prototype, so that '__proto__' is a key like others.
      copy ??= Object.assign(Object.create(null) as Record<string, unknown>, values);
      copy[key] = plain;
    }
    return copy ?? values;
  }

  #attach(view: ArrayBufferView, pointer: string): null {
    const kind = isFloat32Array(view) ? 1 : arrayName(view) === 'Uint8Array' ? 0 : undefined;
    if (kind === undefined) throw this.#refusal(pointer, view);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.attachments.push({ pointer, kind, bytes });
    return null;
  }

  #refusal(pointer: string, value: unknown): PayloadError {
    return new PayloadError(`${this.#place(pointer)} is ${described(value)}: ${WAY_OUT}`);
  }

  #place(pointer: string): string {
    const keys = pointer.split('/').slice(1);
    return this.#name + keys.map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key.slice(0, 60)}`)).join('');
  }
}

function described(value: unknown): string {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? `an object (${kindOf(value)}, not plain)`
    : describe(value);
}

// JSON.stringify calls a function of this name; anything else there is a value like others.
function hasToJson(values: object): boolean {
  return typeof (values as { toJSON?: unknown }).toJSON === 'function';
}

function escaped(key: string): string {
  return key.includes('~') || key.includes('/') ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key;
}

const WAY_OUT = 'give values that JSON can hold, without lone surrogates, Uint8Array or Float32Array';
const MOST_LEVELS = 500;
