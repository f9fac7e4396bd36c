// Errors as users see them: a stable `code`, a message that names the value at fault, and a JavaScript stack.

// The errors of this package. Others can have its codes and classes, too.
const made = new WeakSet<object>();

/** A failure of this package. `code` is stable (ERR_...); the message is for people and may be reworded. */
export class VectrError extends Error {
  readonly code: string;

  /** @param code the stable code. */
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    made.add(this);
  }
}
Object.defineProperty(VectrError.prototype, 'name', { value: 'VectrError', configurable: true, writable: true });

/** For an argument of the wrong type: a TypeError with the code ERR_ARGUMENT. @internal */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return argumentError(`${name} is ${describe(value)}: give ${expected}`, wrongType);
}

/** A TypeError with the code ERR_ARGUMENT, whose stack starts above the function `below`. @internal */
export function argumentError(
  message: string,
  below: (...args: never[]) => unknown = argumentError,
  options?: { cause: unknown },
): TypeError {
  const error = Object.assign(new TypeError(message, options), { code: 'ERR_ARGUMENT' });
  made.add(error);
  cutStackAbove(error, below);
  return error;
}

/** Whether this package has made an error. @internal */
export function isOurs(error: unknown): boolean {
  return made.has(error as object);
}

/** For a value of the right type that cannot be used. @internal */
export function outOfRange(name: string, expected: string, value: unknown, code = 'ERR_ARGUMENT'): VectrError {
  return new VectrError(code, `${name} is ${describe(value)}: give ${expected}`);
}

/** A closed handle was used. @internal */
export function closedError(what: string, wayOut: string): VectrError {
  return new VectrError('ERR_CLOSED', `${what} is closed: ${wayOut}`);
}

/** Awaits a call of the addon. Failures become VectrErrors whose stack leads to the caller. @internal */
export async function native<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw translated(error);
  }
}

/** As `native`, for calls of the addon that return at once. @internal */
export function nativeNow<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}

/** The stable code of an error of this package. What others throw goes to `check/thrown`. @internal */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** A short description of a value for messages, of which nothing may be readable. @internal */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'string')
      return value.length > 40 ? `'${value.slice(0, 40)}…' (${value.length} characters)` : `'${value}'`;
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
    if (Array.isArray(value)) return `an array of ${value.length}`;
    return typeof value === 'object' && value !== null ? `an object (${kindOf(value)})` : String(value);
  } catch {
    return 'unreadable';
  }
}

/** `Object`, `Map`, `Float32Array`, ... @internal */
export function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

// A stack has ten frames, which must reach the caller. Not every browser can cut one.
function cutStackAbove(error: Error, below: (...args: never[]) => unknown): void {
  (Error as { captureStackTrace?: (error: Error, below: unknown) => void }).captureStackTrace?.(error, below);
}

// Both bindings write the stable code, a colon, a space and the text.
function translated(error: unknown): unknown {
  const { message } = (error ?? {}) as { message?: unknown };
  // Errors of the facade itself are passed on.
  if (typeof message !== 'string' || made.has(error as object)) return error;
  const [, written, text] = /^(ERR_[A-Z_]+): ([^]*)$/.exec(message) ?? [];
  return text === undefined ? error : new VectrError(written!, text);
}
