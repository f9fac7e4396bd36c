// Shards that an engine keeps in sync with peers.
import { nativeNow } from '../check/error';
import { codeOf, messageOf } from '../check/thrown';
import type { EventHub } from '../events/event-hub';
import type { ProcessRef } from '../lifecycle/process-ref';
import type { NativeSync } from '../native/native';

/** The auto-syncs of one engine, which may be requested before the engine is open. They keep the process alive. */
export class AutoSyncs {
  readonly #ready: () => Promise<NativeSync>;
  readonly #hub: EventHub;
  readonly #processRef: ProcessRef;
  readonly #wanted = new Map<string, Set<string>>();
  #engine: NativeSync | null = null;

  constructor(ready: () => Promise<NativeSync>, hub: EventHub, processRef: ProcessRef) {
    this.#ready = ready;
    this.#hub = hub;
    this.#processRef = processRef;
  }

  /** Starts one, unless the pair is requested already. Failures are 'syncError' events. */
  start(shardId: string, peerAddress: string): void {
    const addresses = this.#wanted.get(shardId) ?? new Set();
    if (addresses.has(peerAddress)) return;
    this.#wanted.set(shardId, addresses.add(peerAddress));
    this.#processRef.add(this);
    void this.#begin(shardId, peerAddress);
  }

  /** Ends those of a shard. */
  stop(shardId: string): void {
    this.#wanted.delete(shardId);
    if (this.#wanted.size === 0) this.#processRef.delete(this);
    const engine = this.#engine;
    if (engine !== null) nativeNow(() => engine.stopAutoSync(shardId));
  }

  /** Ends all. */
  stopAll(): void {
    this.#wanted.clear();
    this.#processRef.delete(this);
    const engine = this.#engine;
    if (engine !== null) nativeNow(() => engine.stopAllAutoSyncs());
  }

  async #begin(shardId: string, peerAddress: string): Promise<void> {
    try {
      const engine = (this.#engine = await this.#ready());
      if (this.#isWanted(shardId, peerAddress)) nativeNow(() => engine.startAutoSync(shardId, peerAddress));
    } catch (error) {
      // It was stopped meanwhile.
      if (!this.#isWanted(shardId, peerAddress)) return;
      this.#forget(shardId, peerAddress);
      const errorCode = codeOf(error) ?? 'ERR_STORAGE';
      this.#hub.report({ shardId, peerAddress, error: messageOf(error), errorCode });
    }
  }

  #isWanted(shardId: string, peerAddress: string): boolean {
    return this.#wanted.get(shardId)?.has(peerAddress) === true;
  }

  #forget(shardId: string, peerAddress: string): void {
    const addresses = this.#wanted.get(shardId);
    addresses?.delete(peerAddress);
    if (addresses?.size === 0) this.#wanted.delete(shardId);
    if (this.#wanted.size === 0) this.#processRef.delete(this);
  }
}
