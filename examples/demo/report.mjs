// What the demo shows: steps, a progress line, and the table at the end.

export function say(text) {
  console.log(`  ${text}`);
}

/** A line that is written over on a terminal, and once in a while elsewhere. */
export class ProgressLine {
  #label;
  #total;
  #shown = -1;

  constructor(label, total) {
    this.#label = label;
    this.#total = total;
  }

  update(done) {
    const percent = Math.floor((100 * done) / this.#total);
    if (percent === this.#shown || (!process.stdout.isTTY && percent < this.#shown + 20)) return;
    this.#shown = percent;
    const bar = '#'.repeat(Math.floor(percent / 4)).padEnd(25, '.');
    const line = `  ${this.#label} [${bar}] ${done.toLocaleString('en')} of ${this.#total.toLocaleString('en')}`;
    if (process.stdout.isTTY) process.stdout.write(`\r${line}`);
    else console.log(line);
  }

  end() {
    if (process.stdout.isTTY && this.#shown >= 0) process.stdout.write('\n');
  }
}

/** Prints rows of cells, numbers to the right. */
export function table(head, rows) {
  const text = [head, ...rows].map((row) => row.map(format));
  const widths = head.map((_, column) => Math.max(...text.map((row) => row[column].length)));
  const line = (row) => row
    .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
    .join('  ');
  console.log(`\n${line(text[0])}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`);
  for (const row of text.slice(1)) console.log(line(row));
}

function format(cell) {
  return typeof cell === 'number' ? cell.toLocaleString('en') : String(cell);
}
