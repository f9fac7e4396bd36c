// A user's listener, called from the addon.
import type { ProgressRecord } from '../native/native';
import type { SyncProgress } from './result';

export type ProgressListener = (progress: SyncProgress) => void;

/** What the addon may call at any time. A listener that throws is reported as a warning and changes nothing. */
export class ProgressReports {
  readonly #listener: ProgressListener;
  readonly #shardId: string;
  readonly #peerAddress: string;
  #ended = false;

  constructor(listener: ProgressListener, shardId: string, peerAddress: string) {
    this.#listener = listener;
    this.#shardId = shardId;
    this.#peerAddress = peerAddress;
  }

  readonly report = ({ sent, received, bytes }: ProgressRecord): void => {
    // Reports queue behind the event loop, and may come in after the sync has settled.
    if (this.#ended) return;
    try {
      const answer: unknown = this.#listener({
        shardId: this.#shardId,
        peerAddress: this.#peerAddress,
        sent,
        received,
        bytes,
      });
      if (answer instanceof Promise) answer.catch(warn);
    } catch (error) {
      warn(error);
    }
  };

  end(): void {
    this.#ended = true;
  }
}

function warn(error: unknown): void {
  const detail = error instanceof Error ? error.stack : String(error);
  process.emitWarning('an onProgress listener threw', { type: 'VectrListenerWarning', code: 'ERR_LISTENER', detail });
}
