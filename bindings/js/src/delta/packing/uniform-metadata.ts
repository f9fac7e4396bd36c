// Metadata objects with the same keys and only strings and numbers as values. Left out of the browser's files for size.
import type { Metadata } from '../../check/metadata';

/** Parses texts known to be JSON by splitting them at their keys, twice as fast as JSON.parse. Undefined if any object
 *  has another form. */
export function readUniformMetadata(texts: readonly string[]): Metadata[] | undefined {
  if (texts.length < 2 || !texts[0]!.startsWith('{')) return undefined;
  const first = JSON.parse(texts[0]!) as Metadata;
  const keys = Object.keys(first);
  const heads = keys.map((key, index) => `${index === 0 ? '{' : ','}${JSON.stringify(key)}:`);
  const all: Metadata[] = new Array(texts.length);
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index]!;
    const metadata = { ...first };
    let at = 0;
    for (let place = 0; place < keys.length; place++) {
      const head = heads[place]!;
      if (!text.startsWith(head, at)) return undefined;
      at += head.length;
      const start = at;
      if (text[at] === '"') {
        at = text.indexOf('"', at + 1) + 1;
        const value = text.slice(start + 1, at - 1);
        if (value.includes('\\')) return undefined;
        metadata[keys[place]!] = value;
      } else {
        while (at < text.length && !ENDS.includes(text[at]!)) at++;
        const value = Number(text.slice(start, at));
        if (Number.isNaN(value)) return undefined;
        metadata[keys[place]!] = value;
      }
    }
    if (text[at] !== '}' || at + 1 !== text.length) return undefined;
    all[index] = metadata;
  }
  return all;
}

const ENDS = ',}';
