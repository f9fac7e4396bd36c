// Hands events on to all who want them.
import { messageOf, native } from '../check/error';
import type { AbortSignalLike } from '../lifecycle/abort';
import type { EventRecord, NativeSubscription, NativeSync } from '../native/native';
import { type SyncErrorEvent, type SyncEvent, type SyncEventName, eventOf } from './event';
import { EventQueue } from './event-queue';
import type { Log } from './logger';

type Listener = (event: never) => unknown;
type Watcher = (event: SyncEvent) => void;

/** The listeners and readers of one engine. It listens to the addon only while there is somebody who wants to hear.
 *  @internal */
export class EventHub {
  readonly #log: Log;
  readonly #watchers: Watcher[] = [];
  readonly #listeners = new Map<SyncEventName, Array<{ listener: Listener; once: boolean }>>();
  readonly #queues = new Set<EventQueue>();
  #engine: NativeSync | null = null;
  #subscription: NativeSubscription | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /** One of this package's own, who hears all events first and never throws. */
  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
    this.#follow();
  }

  /** Adds a listener. One that is added twice is called twice. */
  add(name: SyncEventName, listener: Listener, once: boolean): void {
    const known = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, [...known, { listener, once }]);
    this.#follow();
  }

  /** Takes back what the last `add` of this listener added. */
  remove(name: SyncEventName, listener: Listener): void {
    const known = this.#listeners.get(name) ?? [];
    const at = known.map((entry) => entry.listener).lastIndexOf(listener);
    if (at < 0) return;
    this.#listeners.set(
      name,
      known.filter((_, index) => index !== at),
    );
    this.#follow();
  }

  /** A new reader. */
  queue(signal: AbortSignalLike | undefined): EventQueue {
    const queue = new EventQueue(signal, (ended) => {
      this.#queues.delete(ended);
      this.#follow();
    });
    if (signal?.aborted !== true) this.#queues.add(queue);
    this.#follow();
    return queue;
  }

  /** Hands out an event. Never throws. */
  emit(event: SyncEvent): void {
    for (const watcher of this.#watchers) watcher(event);
    for (const { listener, once } of this.#listeners.get(event.type) ?? []) {
      if (once) this.remove(event.type, listener);
      this.#call(listener, event);
    }
    for (const queue of this.#queues) queue.push(event);
  }

  /** Hands out what the addon tells. */
  take(records: EventRecord[]): void {
    for (const record of records) this.emit(eventOf(record));
  }

  /** Tells of a failure. */
  report(failure: Omit<SyncErrorEvent, 'type'>): void {
    this.emit({ type: 'syncError', ...failure });
  }

  /** Events come from this engine from now on. */
  attach(engine: NativeSync): void {
    this.#engine = engine;
    this.#follow();
  }

  /** Ends all readers, after they have what a closed engine still had to tell. */
  async close(): Promise<void> {
    const subscription = this.#subscription;
    this.#engine = null;
    if (subscription !== null) await native(subscription.ended());
    this.#subscription = null;
    this.#listeners.clear();
    for (const queue of this.#queues) queue.end();
  }

  #follow(): void {
    const isHeard =
      this.#watchers.length > 0 || this.#queues.size > 0 || [...this.#listeners.values()].some((all) => all.length > 0);
    if (this.#engine === null) return;
    if (isHeard && this.#subscription === null) {
      // The addon holds the function: a forgotten engine must not live on through its listeners.
      const hub = new WeakRef(this);
      this.#subscription = this.#engine.subscribe((records) => hub.deref()?.take(records));
    } else if (!isHeard && this.#subscription !== null) {
      this.#subscription.stop();
      this.#subscription = null;
    }
  }

  #call(listener: Listener, event: SyncEvent): void {
    try {
      const answer = listener(event as never) as { then?: unknown } | null | undefined;
      if (typeof answer?.then === 'function') answer.then(undefined, (error: unknown) => this.#threw(event, error));
    } catch (error) {
      this.#threw(event, error);
    }
  }

  #threw({ type, shardId, peerAddress }: SyncEvent, cause: unknown): void {
    const of = { ...(shardId !== undefined && { shardId }), ...(peerAddress !== undefined && { peerAddress }) };
    const error = `a '${type}' listener threw: ${messageOf(cause)}`;
    this.#log.error(error, { ...of, errorCode: 'ERR_LISTENER' });
    // Told as an event, what a 'syncError' listener throws would come back to it without end.
    if (type !== 'syncError') this.report({ ...of, error, errorCode: 'ERR_LISTENER', cause });
  }
}
