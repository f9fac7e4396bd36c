// The addon as one realm sees it. Test runners such as Jest load this package into a vm context, which has globals of
// its own, while whatever an addon makes belongs to the main one: `toEqual` and `instanceof` tell the two apart.

type Call = (...args: unknown[]) => unknown;

/** The exports of an addon. Where they belong to another realm, all that the addon returns, throws, or passes to a
 *  callback is copied into this one: plain objects, arrays, bytes, promises and errors. Its classes stay its own. */
export function inThisRealm<T extends object>(exports: T): T {
  const plain: unknown = Object.getPrototypeOf(exports);
  return plain === Object.prototype ? exports : (new Membrane(plain).copy(exports) as T);
}

class Membrane {
  // What stands for an object of the addon, and the other way round: the addon wants its own objects back.
  readonly #inner = new WeakMap<object, object>();
  readonly #outer = new WeakMap<object, object>();
  /** The prototype of the addon's plain objects. */
  readonly #plain: unknown;

  constructor(plain: unknown) {
    this.#plain = plain;
  }

  copy(value: unknown): unknown {
    if (typeof value === 'function') return this.#proxy(value, function () {});
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return Array.from(value, (element) => this.copy(element));
    const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
    if (kind in ARRAYS) return ARRAYS[kind]!(value as ArrayLike<number>);
    if (kind === 'Promise') return this.#promise(value as Promise<unknown>);
    if (kind === 'Error') return Object.assign(new Error((value as Error).message), value, { cause: value });
    if (Object.getPrototypeOf(value) === this.#plain) {
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, this.copy(part)]));
    }
    return this.#proxy(value, {});
  }

  async #promise(promise: Promise<unknown>): Promise<unknown> {
    try {
      return this.copy(await promise);
    } catch (error) {
      throw this.copy(error);
    }
  }

  // An object of one of the addon's classes, a class, or a function. `shape` keeps the proxy free of what the addon's
  // objects have that cannot be configured: a proxy may not hide that of its target.
  #proxy(inner: object, shape: object): unknown {
    const known = this.#outer.get(inner);
    if (known !== undefined) return known;
    const outer = new Proxy(shape, {
      get: (_, key) => (key === 'prototype' ? Reflect.get(inner, key) : this.#member(inner, key)),
      apply: (_, receiver, args) => this.#call(inner as Call, receiver, args),
      construct: (_, args) => this.#run(() => Reflect.construct(inner as never, this.#own(args))) as object,
    });
    this.#inner.set(outer, inner);
    this.#outer.set(inner, outer);
    return outer;
  }

  #member(inner: object, key: PropertyKey): unknown {
    const member = this.#run(() => Reflect.get(inner, key), (value) => value);
    if (typeof member !== 'function') return this.copy(member);
    return (...args: unknown[]) => this.#call(member as Call, inner, args);
  }

  #call(inner: Call, receiver: unknown, args: unknown[]): unknown {
    return this.#run(() => Reflect.apply(inner, this.#ownOf(receiver), this.#own(args)));
  }

  #run(work: () => unknown, copy = (value: unknown): unknown => this.copy(value)): unknown {
    let value: unknown;
    try {
      value = work();
    } catch (error) {
      throw this.copy(error);
    }
    return copy(value);
  }

  // Arguments as the addon knows them. What a callback gets goes out as a result does.
  #own(args: unknown[]): unknown[] {
    return args.map((arg) => {
      if (typeof arg !== 'function' || this.#inner.has(arg)) return this.#ownOf(arg);
      return (...passed: unknown[]) => arg(...passed.map((value) => this.copy(value))) as unknown;
    });
  }

  #ownOf(value: unknown): unknown {
    return this.#inner.get(value as object) ?? value;
  }
}

const ARRAYS: Record<string, ((values: ArrayLike<number>) => object) | undefined> = {
  Float32Array: (values) => new Float32Array(values),
  Float64Array: (values) => new Float64Array(values),
  Uint8Array: (values) => new Uint8Array(values),
  Uint32Array: (values) => new Uint32Array(values),
};
