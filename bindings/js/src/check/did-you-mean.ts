// Suggestions for misspelt words.

/** ` (did you mean 'x'?)` for the end of a message; empty if no known word is close. */
export function didYouMean(word: unknown, known: readonly string[]): string {
  const meant = typeof word === 'string' ? closest(word, known) : undefined;
  return meant === undefined ? '' : ` (did you mean '${meant}'?)`;
}

/** The known word with the smallest edit distance, if it is close enough to be meant. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const distances = known.map((other) => [distance(word.toLowerCase(), other.toLowerCase()), other] as const);
  const [best] = distances.sort(([a], [b]) => a - b);
  return best !== undefined && best[0] <= Math.max(2, Math.floor(best[1].length / 3)) ? best[1] : undefined;
}

// Levenshtein's edit distance, row by row; words of any length are compared by their first 60 characters.
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [row, letter] of [...from.slice(0, 60)].entries()) {
    const current = [row + 1];
    for (let at = 1; at <= to.length; at++) {
      const substituted = previous[at - 1]! + (letter === to[at - 1] ? 0 : 1);
      current.push(Math.min(substituted, previous[at]! + 1, current[at - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
