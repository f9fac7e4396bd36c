// Log messages of an engine: silent unless configured.
import { readable } from '../check/coded';
import { didYouMean } from '../check/did-you-mean';
import { VectrError, argumentError, describe, wrongType } from '../check/error';
import { isPlain } from '../check/metadata';
import { checkOptions } from '../check/options';
import { guarded, messageOf } from '../check/thrown';
import { warnOfListener } from '../lifecycle/process-warning';
import type { HeardEvent } from './event';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Receives an engine's log messages; `console` is one. Levels without a method are dropped. */
export interface Logger {
  /** Listeners and callbacks that threw. */
  error?(message: string, details: object): void;
  /** Syncs that failed. */
  warn?(message: string, details: object): void;
  /** Conflicts and their outcome; live streams that came up or went down. */
  info?(message: string, details: object): void;
  /** Everything else. */
  debug?(message: string, details: object): void;
}

/** Writes messages to the logger and, as VECTR_LOG says, to standard error. Never throws. @internal */
export class Log {
  readonly #logger: Logger;
  readonly #levels: readonly LogLevel[];

  constructor(logger: Logger | undefined, standardError: LogLevel | undefined) {
    this.#logger = logger ?? {};
    this.#levels = standardError === undefined ? [] : LEVELS.slice(0, LEVELS.indexOf(standardError) + 1);
  }

  /** Whether all messages are dropped. */
  get isSilent(): boolean {
    return this.#levels.length === 0 && LEVELS.every((level) => this.#logger[level] === undefined);
  }

  error(message: string, details: object): void {
    this.#tell('error', message, details);
  }

  warn(message: string, details: object): void {
    this.#tell('warn', message, details);
  }

  info(message: string, details: object): void {
    this.#tell('info', message, details);
  }

  debug(message: string, details: object): void {
    this.#tell('debug', message, details);
  }

  #tell(level: LogLevel, message: string, details: object): void {
    if (this.#levels.includes(level)) {
      process.stderr.write(`${new Date().toISOString()} vectr ${level} ${message} ${shown(details)}\n`);
    }
    guarded(() => this.#logger[level]?.(message, details), warn);
  }
}

/** The log of an engine, from its configuration and the environment. @internal */
export function checkLog(name: string, logger: unknown): Log {
  return new Log(readable(name, () => checkLogger(name, logger)), levelOf(process.env[VARIABLE]));
}

/** Logs an event. Errors of the user's callbacks are logged where they are caught. @internal */
export function logEvent(log: Log, event: HeardEvent): void {
  const { type, ...details } = event;
  switch (type) {
    case 'conflict': {
      const { detected, outcome, strategy } = event;
      const what = outcome === 'resolved' ? `resolved by ${strategy}` : `unresolved, because the strategy is ${strategy}`;
      return log.info(`${detected} ${detected === 1 ? 'conflict' : 'conflicts'} ${whereOf(event)}: ${what}`, details);
    }
    case 'repair': {
      const left = event.damaged > 0 ? `, and ${event.damaged} are damaged still` : '';
      const differ = event.differs ? '; the two nodes hold different content even so' : '';
      const isTold = event.repaired > 0 || event.damaged > 0 || event.differs;
      if (!isTold) return log.debug(`rows ${whereOf(event)} were compared for a repair`, details);
      return log.warn(`${event.repaired} damaged or lost vectors ${whereOf(event)} came back${left}${differ}`, details);
    }
    case 'peer': {
      const reason = event.error === undefined ? '' : `: ${event.error}`;
      return log.info(`the live stream ${whereOf(event)} is ${event.status}${reason}`, details);
    }
    case 'syncError':
      if (CAUGHT.includes(event.errorCode)) return;
      if (event.shardId === undefined) return log.warn(event.error, details);
      return log.warn(`a sync ${whereOf(event)} failed: ${event.error}`, details);
    case 'change':
      return log.debug(`${event.changes} changes ${whereOf(event)} were applied`, details);
    case 'progress':
  }
}

/** Logs that a conflict was resolved, and which one is left. @internal */
export function logResolution(
  log: Log,
  by: 'onConflict' | 'resolveConflict',
  conflictId: string,
  { shardId, vectorId, vector }: { shardId: string; vectorId: string; vector: unknown },
  left: string | undefined,
): void {
  const rest = left === undefined ? '' : `; a version that arrived meanwhile is left as conflict ${left}`;
  const details = { conflictId, shardId, vectorId, by, operation: vector === undefined ? 'delete' : 'update' };
  log.info(`conflict ${conflictId} of vector '${vectorId}' was resolved by ${by}${rest}`, details);
}

function whereOf({ shardId, peerAddress }: HeardEvent): string {
  return `of shard ${describe(shardId)} with ${describe(peerAddress)}`;
}

function checkLogger(name: string, value: unknown): Logger | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object of functions', value);
  // Instances of other classes, such as `console`, may have other properties.
  if (isPlain(value)) checkOptions<Logger>(name, value, LEVELS);
  const logger = value as Logger;
  for (const level of LEVELS) {
    if (logger[level] !== undefined && typeof logger[level] !== 'function') {
      throw wrongType(`${name}.${level}`, 'a function', logger[level]);
    }
  }
  if (LEVELS.every((level) => logger[level] === undefined)) {
    throw argumentError(`${name} has none of ${LEVELS.join(', ')}: give at least one of them`);
  }
  return logger;
}

function levelOf(value: string | undefined): LogLevel | undefined {
  if (value === undefined || value === '') return undefined;
  if (LEVELS.includes(value as LogLevel)) return value as LogLevel;
  throw new VectrError(
    'ERR_CONFIG',
    `the environment variable ${VARIABLE} is ${describe(value)}: give ${LEVELS.join(', ')}${didYouMean(value, LEVELS)}`,
  );
}

// A cause is whatever was thrown, and need not be JSON.
function shown(details: { cause?: unknown }): string {
  const { cause, ...rest } = details;
  return JSON.stringify(cause === undefined ? rest : { ...rest, cause: messageOf(cause) });
}

function warn(thrown: unknown): void {
  warnOfListener('a logger threw', thrown);
}

const VARIABLE = 'VECTR_LOG';
const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug'];
const CAUGHT: readonly string[] = ['ERR_LISTENER', 'ERR_CONFLICT_CALLBACK'];
