// The part of Node's `assert/strict` that the spec uses, for pages.

class AssertionError extends Error {
  name = 'AssertionError';
  code = 'ERR_ASSERTION';
}

/** As Node's `assert/strict`: the value itself is `ok`. */
export const assert = Object.assign(ok, {
  ok,
  equal: (actual, expected, message) => claim(Object.is(actual, expected), message, actual, 'not', expected),
  notEqual: (actual, expected, message) => claim(!Object.is(actual, expected), message, actual, 'equals', expected),
  deepEqual: (actual, expected, message) => claim(same(actual, expected), message, actual, 'not', expected),
  notDeepEqual: (actual, expected, message) => claim(!same(actual, expected), message, actual, 'equals', expected),
  match: (text, pattern, message) => claim(pattern.test(text), message, text, 'does not match', pattern),
  fail: (message = 'failed') => claim(false, message),
  throws(work, expected, message) {
    try {
      work();
    } catch (error) {
      return fits(error, expected, message);
    }
    claim(false, message ?? 'nothing was thrown');
  },
  async rejects(work, expected, message) {
    try {
      await (typeof work === 'function' ? work() : work);
    } catch (error) {
      return fits(error, expected, message);
    }
    claim(false, message ?? 'nothing was thrown');
  },
  doesNotThrow: (work) => void work(),
  doesNotReject: async (work) => void (await (typeof work === 'function' ? work() : work)),
});
Object.assign(assert, { strictEqual: assert.equal, deepStrictEqual: assert.deepEqual, strict: assert });
Object.assign(assert, { notStrictEqual: assert.notEqual, notDeepStrictEqual: assert.notDeepEqual, AssertionError });

function ok(value, message) {
  claim(value, message, value, 'is not', true);
}

function claim(holds, message, ...values) {
  if (holds) return;
  if (message instanceof Error) throw message;
  const words = values.map((value) => (typeof value === 'string' ? value : shown(value)));
  throw new AssertionError(message ?? words.join(' '));
}

// What `throws` expects: a class, a pattern, a function that says yes, or an object whose fields the error must have.
function fits(error, expected, message) {
  if (expected === undefined) return;
  if (expected instanceof RegExp) return claim(expected.test(String(error)), message, error, 'not as', expected);
  if (typeof expected === 'function') {
    const isClass = expected.prototype !== undefined && (expected === Error || expected.prototype instanceof Error);
    const holds = isClass ? error instanceof expected : expected(error) === true;
    return claim(holds, message, error, 'is not', expected.name);
  }
  for (const [key, value] of Object.entries(expected)) {
    const found = error?.[key];
    const holds = value instanceof RegExp && typeof found === 'string' ? value.test(found) : same(found, value);
    claim(holds, message, error, `has as ${key}`, found, 'and not', value);
  }
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof RegExp) return String(a) === String(b);
  if (a instanceof Error && (a.name !== b.name || a.message !== b.message)) return false;
  if (a instanceof Map) return a.size === b.size && [...a].every(([key, one]) => b.has(key) && same(one, b.get(key)));
  if (a instanceof Set) return a.size === b.size && [...a].every((value) => b.has(value));
  if (a instanceof ArrayBuffer) return same(new Uint8Array(a), new Uint8Array(b));
  if (ArrayBuffer.isView(a)) return a.length === b.length && a.every((value, index) => Object.is(value, b[index]));
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

function shown(value) {
  if (value instanceof Error) return `${value.name} [${value.code}]: ${value.message}`;
  return JSON.stringify(value, plain, 1) ?? String(value);
}

function plain(_, value) {
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return '-0';
  if (value === undefined) return 'undefined';
  if (value instanceof Map || value instanceof Set) return { [value.constructor.name]: [...value] };
  if (ArrayBuffer.isView(value)) return { [value.constructor.name]: [...value] };
  if (value instanceof RegExp) return String(value);
  return value;
}
