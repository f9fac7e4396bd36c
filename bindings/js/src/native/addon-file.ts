// What the head of a compiled file promises. A file that was cut off, by a full disk or a broken download, ends the
// process with a bus error as soon as it is loaded: so its size is compared first.
import { fs } from './builtins';

/** What is wrong with a compiled file, or undefined. It is read without being loaded.
 *  @throws what the file system says if it cannot be read. */
export function faultOf(file: string): string | undefined {
  const descriptor = fs.openSync(file, 'r');
  try {
    const { size } = fs.fstatSync(descriptor);
    const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
    fs.readSync(descriptor, head, 0, head.length, 0);
    return faultOfHead(head, size);
  } finally {
    fs.closeSync(descriptor);
  }
}

function faultOfHead(head: Buffer, size: number): string | undefined {
  if (size === 0) return 'it is empty';
  try {
    const image = read(head);
    if (image === undefined) return 'it is no compiled code of this system';
    if (size < image.end) return `it has ${size} of ${image.end} bytes`;
    const processor = image.processors[image.processor];
    return processor === undefined || processor === process.arch ? undefined : `it is for ${processor}`;
  } catch (error) {
    // The head itself was cut off.
    if (error instanceof RangeError) return `it has only ${size} bytes`;
    throw error;
  }
}

interface Image {
  /** A number of the format, and what Node calls those that have a package. */
  processor: number;
  processors: Partial<Record<number, string>>;
  /** Where the last part of the file ends; 0 in a variant that no package has. */
  end: number;
}

function read(head: Buffer): Image | undefined {
  if (process.platform === 'win32') return readPortableExecutable(head);
  if (process.platform === 'darwin') return readMachO(head);
  return readElf(head);
}

// System V ABI, chapter 4: the header, then program headers; the section headers come last.
function readElf(head: Buffer): Image | undefined {
  if (head.readUInt32BE(0) !== 0x7f45_4c46) return undefined;
  const processors = { 62: 'x64', 183: 'arm64' };
  const processor = head.readUInt16LE(18);
  const is64LittleEndian = head.readUInt16LE(4) === 0x0102;
  if (!is64LittleEndian) return { processor, processors: {}, end: 0 };
  const [programs, sections] = [offset(head, 32), offset(head, 40)];
  const [programBytes, programCount] = [head.readUInt16LE(54), head.readUInt16LE(56)];
  const ends = Array.from({ length: programCount }, (_, index) => {
    const at = programs + index * programBytes;
    return offset(head, at + 8) + offset(head, at + 32);
  });
  const sectionsEnd = sections + head.readUInt16LE(58) * head.readUInt16LE(60);
  return { processor, processors, end: Math.max(sectionsEnd, ...ends) };
}

// <mach-o/loader.h>: the header, then load commands, of which the segments name parts of the file.
function readMachO(head: Buffer): Image | undefined {
  const magic = head.readUInt32LE(0);
  // Code for several processors in one file.
  if (magic === 0xbeba_feca) return { processor: 0, processors: {}, end: 0 };
  if (magic !== 0xfeed_facf) return undefined;
  let end = 32 + head.readUInt32LE(20);
  for (let at = 32, left = head.readUInt32LE(16); left > 0; left--, at += head.readUInt32LE(at + 4)) {
    const isSegment = head.readUInt32LE(at) === 0x19;
    if (isSegment) end = Math.max(end, offset(head, at + 40) + offset(head, at + 48));
  }
  return { processor: head.readUInt32LE(4), processors: { 0x0100_0007: 'x64', 0x0100_000c: 'arm64' }, end };
}

// Microsoft's PE format: a stub for DOS, which names the place of the real header; after that the sections.
function readPortableExecutable(head: Buffer): Image | undefined {
  if (head.readUInt16BE(0) !== 0x4d5a) return undefined;
  const header = head.readUInt32LE(0x3c);
  const sections = header + 24 + head.readUInt16LE(header + 20);
  const ends = Array.from({ length: head.readUInt16LE(header + 6) }, (_, index) => {
    const at = sections + index * 40;
    return head.readUInt32LE(at + 16) + head.readUInt32LE(at + 20);
  });
  const processors = { 0x8664: 'x64', 0xaa64: 'arm64' };
  return { processor: head.readUInt16LE(header + 4), processors, end: Math.max(0, ...ends) };
}

function offset(head: Buffer, at: number): number {
  return Number(head.readBigUInt64LE(at));
}

/** The headers of all three formats lie within. */
const HEAD_BYTES = 16 * 1024;
