// Functions that the addon may hold.

/** A function that calls `method` on an object as long as that lives. The addon holds its callbacks strongly, and would
 *  keep alive what nobody else refers to. @internal */
export function weakCall<T extends object>(object: T, method: (object: T) => void): () => void {
  const weak = new WeakRef(object);
  return () => {
    const live = weak.deref();
    if (live !== undefined) method(live);
  };
}
