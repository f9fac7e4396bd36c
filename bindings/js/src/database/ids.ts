// Ids from the addon.
import { inParts } from '../lifecycle/turn';
import type { NativeIds } from '../native/native';

/** All of them, taken in parts. @internal */
export async function idsOf(native: NativeIds): Promise<string[]> {
  const ids: string[] = [];
  await inParts(native, () => {
    const lines = native.take();
    if (lines !== '') for (const id of lines.split('\n')) ids.push(id);
  });
  return ids;
}
