// Keeps a process alive while it waits for work.

/** Keeps the process, and an object, alive while there is a reason. */
export class ProcessRef {
  readonly #kept: object;
  readonly #reasons = new Set<unknown>();
  #timer: NodeJS.Timeout | null = null;

  constructor(kept: object) {
    this.#kept = kept;
  }

  add(reason: unknown): void {
    this.#reasons.add(reason);
    // The timer only keeps the event loop alive, as a listening server does.
    this.#timer ??= setInterval(() => this.#kept, LONGEST_TIMER_MS);
  }

  delete(reason: unknown): void {
    this.#reasons.delete(reason);
    if (this.#reasons.size === 0) this.clear();
  }

  clear(): void {
    this.#reasons.clear();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
