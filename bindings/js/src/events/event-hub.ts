// Distributes events to listeners and readers.
import { guarded, messageOf } from '../check/thrown';
import type { AbortSignalLike } from '../lifecycle/abort';
import { weakCall } from '../lifecycle/weak-call';
import type { NativeSubscription, NativeSync } from '../native/native';
import { type HeardEvent, type HeardEventName, type SyncErrorEvent, eventOf } from './event';
import { EventQueue } from './event-queue';
import type { Log } from './logger';

type Listener = (event: never) => unknown;
type Watcher = (event: HeardEvent) => void;

interface Subscriber {
  readonly listener: Listener;
  readonly once: boolean;
}

/** The listeners and readers of one engine. Listens to the addon only while somebody listens here. @internal */
export class EventHub {
  readonly #log: Log;
  readonly #watchers: Watcher[] = [];
  readonly #listeners = new Map<HeardEventName, Subscriber[]>();
  readonly #queues = new Set<EventQueue>();
  #engine: NativeSync | null = null;
  #subscription: NativeSubscription | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Adds an internal listener, which is called first for every event and never throws. */
  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
    this.#updateSubscription();
  }

  /** Adds a listener. One that is added twice is called twice. */
  add(name: HeardEventName, listener: Listener, once: boolean): void {
    const known = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, [...known, { listener, once }]);
    this.#updateSubscription();
  }

  /** Undoes the last `add` of this listener. */
  remove(name: HeardEventName, listener: Listener): void {
    const last = this.#listeners.get(name)?.filter((one) => one.listener === listener).at(-1);
    if (last !== undefined) this.#drop(name, last);
  }

  /** A new reader. */
  queue(signal: AbortSignalLike | undefined): EventQueue {
    const queue = new EventQueue(signal, (ended) => this.#queues.delete(ended));
    if (signal?.aborted === true) return queue;
    this.#queues.add(queue);
    if (this.#engine !== null) queue.attach(this.#engine);
    return queue;
  }

  /** Distributes a failure that the addon does not know. */
  report(failure: Omit<SyncErrorEvent, 'type'>): void {
    const event: SyncErrorEvent = { type: 'syncError', ...failure };
    this.#emit(event);
    for (const queue of this.#queues) queue.push(event);
  }

  /** Sets the engine that events come from. */
  attach(engine: NativeSync): void {
    this.#engine = engine;
    for (const queue of this.#queues) queue.attach(engine);
    this.#updateSubscription();
  }

  /** Tells the last events of a closed engine, and ends all readers. */
  close(): void {
    this.#take();
    this.#subscription?.stop();
    this.#subscription = null;
    this.#engine = null;
    this.#listeners.clear();
    for (const queue of this.#queues) queue.end();
  }

  // Tells watchers and listeners. Never throws.
  #emit(event: HeardEvent): void {
    for (const watcher of this.#watchers) watcher(event);
    for (const subscriber of this.#listeners.get(event.type) ?? []) {
      if (subscriber.once && !this.#drop(event.type, subscriber)) continue;
      this.#call(subscriber.listener, event);
    }
  }

  #take(): void {
    for (const record of this.#subscription?.takeAll() ?? []) this.#emit(eventOf(record));
  }

  /** Removes a subscriber; false where it is gone already. */
  #drop(name: HeardEventName, subscriber: Subscriber): boolean {
    const known = this.#listeners.get(name) ?? [];
    const left = known.filter((one) => one !== subscriber);
    if (left.length === known.length) return false;
    this.#listeners.set(name, left);
    this.#updateSubscription();
    return true;
  }

  #updateSubscription(): void {
    if (this.#engine === null) return;
    const isHeard = this.#watchers.length > 0 || [...this.#listeners.values()].some((all) => all.length > 0);
    if (isHeard && this.#subscription === null) {
      this.#subscription = this.#engine.subscribe(weakCall(this, (hub) => hub.#take()));
    } else if (!isHeard && this.#subscription !== null) {
      this.#subscription.stop();
      this.#subscription = null;
    }
  }

  #call(listener: Listener, event: HeardEvent): void {
    guarded(
      () => listener(event as never),
      (thrown) => this.#threw(event, thrown),
    );
  }

  #threw({ type, shardId, peerAddress }: HeardEvent, cause: unknown): void {
    const of = { ...(shardId !== undefined && { shardId }), ...(peerAddress !== undefined && { peerAddress }) };
    const error = `a '${type}' listener threw: ${messageOf(cause)}`;
    this.#log.error(error, { ...of, errorCode: 'ERR_LISTENER' });
    // A failing 'syncError' listener is only logged: an event would call it again, forever.
    if (type !== 'syncError') this.report({ ...of, error, errorCode: 'ERR_LISTENER', cause });
  }
}
