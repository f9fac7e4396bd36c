// Which of its peers a node syncs with.
import { checkWord } from '../check/text';

/**
 * A choice of neighbours among the registered peers and this node, in the order of their names: 'mesh' is all of them;
 * 'star' the first, and for the first all; 'ring' the one before and the one after; 'tree' parent and children.
 */
export type Topology = 'mesh' | 'star' | 'ring' | 'tree';

/** One of the topologies; another string is an error that suggests one. @internal */
export function checkTopology(name: string, value: unknown): Topology {
  return checkWord(name, value, TOPOLOGIES);
}

const TOPOLOGIES: readonly Topology[] = ['mesh', 'star', 'ring', 'tree'];
