// Bytes as JavaScript source. A byte stays one character, or two where it is rare: gzip then finds the repetitions that
// base64 hides from it. All characters are printable ASCII that no bundler, minifier or HTML page touches.

/** The source of a module that exports `moduleBytes`, a function that returns the bytes. */
export function inlined(bytes) {
  const order = byFrequency(bytes);
  const single = SAFE.length - PREFIXES;
  const symbols = new Array(256);
  order.forEach((byte, place) => {
    const rest = place - single;
    symbols[byte] = rest < 0 ? SAFE[place] : SAFE[single + Math.floor(rest / SAFE.length)] + SAFE[rest % SAFE.length];
  });
  const text = Array.from(bytes, (byte) => symbols[byte]).join('');
  const table = btoa(String.fromCharCode(...order));
  return `const safe = ${JSON.stringify(SAFE)};
const order = atob(${JSON.stringify(table)});
const text = ${JSON.stringify(text)};
export function moduleBytes() {
  const places = new Uint8Array(128);
  for (let place = 0; place < safe.length; place++) places[safe.charCodeAt(place)] = place;
  const bytes = new Uint8Array(${bytes.length});
  for (let at = 0, next = 0; at < bytes.length; at++) {
    let place = places[text.charCodeAt(next++)];
    if (place >= ${single}) place = ${single} + (place - ${single}) * ${SAFE.length} + places[text.charCodeAt(next++)];
    bytes[at] = order.charCodeAt(place);
  }
  return bytes;
}
`;
}

function byFrequency(bytes) {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte]++;
  return Array.from(counts.keys()).sort((one, other) => counts[other] - counts[one] || one - other);
}

// Not ' " \ ` $ < : strings, templates and scripts in a page end at them. No space: nothing may trim it.
const SAFE = Array.from({ length: 94 }, (_, place) => String.fromCharCode(33 + place))
  .filter((character) => !'\'"\\`$<'.includes(character))
  .join('');
const PREFIXES = Math.ceil((256 - SAFE.length) / (SAFE.length - 1));
