// Iterates over one snapshot, a page at a time.
import { native } from '../check/error';
import { type Metadata, parseMetadata } from '../check/metadata';
import { checkFlag, checkOptions } from '../check/options';
import { checkOptionalText } from '../check/text';
import { vectorAt } from '../check/vector';
import type { EntryColumns, NativeIteration } from '../native/native';
import type { ShardOptions } from './writes';

export interface IterateOptions extends ShardOptions {
  /** Default: false. */
  includeVectors?: boolean;
  /** Only the vectors whose ids come after this one. */
  after?: string;
}

/** One vector of `VectrDB.iterate`. */
export interface IteratedVector {
  id: string;
  /** Present if `includeVectors` was set. */
  vector?: Float32Array;
  metadata?: Metadata;
  /** The hybrid logical clock of the shown version: whole microseconds since the Unix epoch. */
  timestamp: number;
}

/** The options, checked. @internal */
export function checkIterate(options: unknown): {
  shardId: string | undefined;
  includeVectors: boolean;
  after: string | undefined;
} {
  const given = checkOptions<IterateOptions>('options', options, ['shardId', 'includeVectors', 'after']);
  return {
    shardId: checkOptionalText('options.shardId', given.shardId),
    includeVectors: checkFlag('options.includeVectors', given.includeVectors) ?? false,
    after: checkOptionalText('options.after', given.after),
  };
}

/** Iterates over a new snapshot, which is released at the end, on `break`, or by the garbage collector. @internal */
export async function* walk(open: () => Promise<NativeIteration>): AsyncGenerator<IteratedVector, void, undefined> {
  const iteration = await native(open());
  try {
    for (let limit = FIRST_PART; ;) {
      const page = await native(iteration.next(limit));
      if (page.ids.length === 0) return;
      yield* entries(page);
      limit = nextPart(page);
    }
  } finally {
    await iteration.close();
  }
}

function* entries({ ids, metadata, timestamps, vectors }: EntryColumns): Generator<IteratedVector> {
  for (const [index, id] of ids.entries()) {
    const described = parseMetadata(metadata[index]);
    yield {
      id,
      ...(vectors && { vector: vectorAt(vectors, index, ids.length) }),
      ...(described && { metadata: described }),
      timestamp: timestamps[index]!,
    };
  }
}

/** How many vectors the next part may have, to take about a mebibyte: the crossing costs little, and a part is no
 *  burden. */
function nextPart({ ids, vectors, metadata }: Pick<EntryColumns, 'ids' | 'vectors' | 'metadata'>): number {
  const texts = metadata.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  const bytes = Math.max(1, ((vectors?.byteLength ?? 0) + texts) / ids.length);
  return Math.min(LARGEST_PART, Math.max(1, Math.floor(2 ** 20 / bytes)));
}

/** How many vectors the first part has. */
const FIRST_PART = 16;
const LARGEST_PART = 512;
