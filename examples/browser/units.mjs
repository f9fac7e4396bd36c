// Numbers with their units, as people read them.

const number = new Intl.NumberFormat('en');

/** 1160 -> '1,160' */
export function count(value) {
  return number.format(value);
}

/** Microseconds between two changes: '812 µs', '415 ms', '3.2 s', '4 min 10 s', '1 h 2 min'. */
export function span(microseconds) {
  if (microseconds < 1e3) return `${microseconds}\u00a0µs`;
  if (microseconds < 1e6) return `${Math.floor(microseconds / 1e3)}\u00a0ms`;
  if (microseconds < 6e7) return `${(Math.floor(microseconds / 1e5) / 10).toFixed(1)}\u00a0s`;
  const seconds = Math.floor(microseconds / 1e6);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min ${seconds % 60}\u00a0s`;
  return `${Math.floor(seconds / 3600)}\u00a0h ${Math.floor((seconds % 3600) / 60)}\u00a0min`;
}

/** The time of day to the microsecond, in UTC: '09:14:03.120431'. */
export function clock(timestamp) {
  const day = new Date(Math.floor(timestamp / 1e3));
  // Clocks of hand-made changes may stand anywhere.
  if (Number.isNaN(day.getTime())) return `${timestamp} µs`;
  return day.toISOString().slice(11, 23) + String(timestamp % 1e3).padStart(3, '0');
}

/** The day, in UTC. */
export function day(timestamp) {
  const date = new Date(Math.floor(timestamp / 1e3));
  return Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, 10);
}

/** '839.6 KB' */
export function size(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** '0.52 ms' */
export function milliseconds(value) {
  return `${value.toPrecision(value < 100 ? 2 : 3)} ms`;
}
