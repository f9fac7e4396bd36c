// Searching one shard.
import { type Metadata, parseMetadata } from '../check/metadata';
import { MAX_U32, checkFinite, checkInteger } from '../check/number';
import { checkFlag, checkOptions } from '../check/options';
import { checkOptionalText, checkWord } from '../check/text';
import { vectorAt } from '../check/vector';
import { type AbortSignalLike, checkSignal } from '../lifecycle/abort';
import { inParts } from '../lifecycle/turn';
import type { HitColumns, NativeHits, SearchOptions as NativeSearchOptions } from '../native/native';
import type { ShardOptions } from './writes';

export type DistanceMetric = 'cosine' | 'euclidean' | 'dot';

export interface SearchOptions extends ShardOptions {
  /** Default: 'cosine'. */
  metric?: DistanceMetric;
  /** The minimum similarity of a result. */
  threshold?: number;
  /** Default: false. */
  includeVectors?: boolean;
  /** Ends the search early with ERR_ABORTED. */
  signal?: AbortSignalLike;
}

/** A vector that a search found. */
export interface SearchResult {
  id: string;
  /** cosine: 1 - similarity; euclidean: the distance; dot: the negated product. */
  distance: number;
  /** cosine: -1 to 1, and exactly 1 for equal vectors; euclidean: 1 / (1 + distance); dot: the product. */
  similarity: number;
  metadata?: Metadata;
  /** Present if `includeVectors` was set. */
  vector?: Float32Array;
}

/** The addon's form of k and options, and the signal. @internal */
export function checkSearch(
  k: unknown,
  options: unknown,
): { search: NativeSearchOptions; signal: AbortSignalLike | undefined } {
  const given = checkOptions<SearchOptions>('options', options, [
    'shardId',
    'metric',
    'threshold',
    'includeVectors',
    'signal',
  ]);
  const search: NativeSearchOptions = {
    shardId: checkOptionalText('options.shardId', given.shardId),
    k: k === undefined ? 10 : checkInteger('k', k, 0, MAX_U32),
    metric: given.metric === undefined ? 'cosine' : checkWord('options.metric', given.metric, METRICS),
    threshold: checkFinite('options.threshold', given.threshold),
    includeVectors: checkFlag('options.includeVectors', given.includeVectors) ?? false,
  };
  return { search, signal: checkSignal('options.signal', given.signal) };
}

/** The ids of damaged vectors that are left out and were not in `seen`, which remembers them. @internal */
export function newlyDamaged(shardId: string, damaged: string[], seen: Set<string>): string[] {
  return damaged.filter((id) => {
    const key = `${shardId}\n${id}`;
    if (seen.has(key) || seen.size >= MOST_REMEMBERED) return false;
    seen.add(key);
    return true;
  });
}

/** Objects, the nearest first, made in parts; `check` throws once the call has to end. @internal */
export async function searchResults(hits: NativeHits, check: () => void): Promise<SearchResult[]> {
  const results: SearchResult[] = [];
  await inParts(hits, () => void results.push(...resultsOf(hits.take())), check);
  return results;
}

function resultsOf({ ids, distances, similarities, metadata, vectors }: HitColumns): SearchResult[] {
  return ids.map((id, index) => {
    const described = parseMetadata(metadata[index]);
    return {
      id,
      distance: distances[index]!,
      similarity: similarities[index]!,
      ...(described && { metadata: described }),
      ...(vectors && { vector: vectorAt(vectors, index, ids.length) }),
    };
  });
}

// Bounds what a database remembers of its damage.
const MOST_REMEMBERED = 1000;

const METRICS: readonly DistanceMetric[] = ['cosine', 'euclidean', 'dot'];
