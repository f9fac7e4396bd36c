// Calls `onProgress` for reports of the addon.
import { guarded } from '../check/thrown';
import { warnOfListener } from '../lifecycle/process-warning';
import type { ProgressRecord } from '../native/native';
import type { SyncProgress } from './result';

export type ProgressListener = (progress: SyncProgress) => void;

/** Passes reports of the addon on. A listener that throws is reported as a process warning and changes nothing. */
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

  readonly report = ({ sent, received, total, bytes }: ProgressRecord): void => {
    // Reports are queued and may arrive after the sync has settled.
    if (this.#ended) return;
    const of = { shardId: this.#shardId, peerAddress: this.#peerAddress };
    const progress = { ...of, sent, received, ...(total !== undefined && { total }), bytes };
    guarded(() => this.#listener(progress), warn);
  };

  end(): void {
    this.#ended = true;
  }
}

function warn(thrown: unknown): void {
  warnOfListener('an onProgress listener threw', thrown);
}
