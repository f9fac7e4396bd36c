//! Reads a write-ahead log frame by frame.
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): a header of 32 bytes, then
//! frames of 24 bytes and a page, each with a checksum over everything before it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// The whole frames of a log, from its start.
pub(crate) struct Frames {
    pub(crate) header: [u8; HEADER],
    page: usize,
    checksum: Checksum,
}

impl Frames {
    /// `None` for an empty log, and one whose header was never completed: it has no frames.
    pub(crate) fn read(file: &mut File) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        file.seek(SeekFrom::Start(0))?;
        if !read_whole(file, &mut header)? {
            return Ok(None);
        }
        let magic = word(&header, 0);
        let mut checksum = Checksum { big_endian: magic & 1 == 1, sums: (0, 0) };
        checksum.add(&header[..24]);
        let is_whole = magic & !1 == MAGIC && checksum.sums == (word(&header, 24), word(&header, 28));
        let page = word(&header, 8) as usize;
        Ok((is_whole && page.is_power_of_two() && page <= 65_536).then_some(Self { header, page, checksum }))
    }

    /// Hands each frame and its place to `visit`, up to the first that does not continue the log. Returns their number.
    pub(crate) fn each(
        &mut self,
        file: &mut File,
        mut visit: impl FnMut(&mut File, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<u32> {
        let mut frame = vec![0; FRAME_HEADER + self.page];
        let (mut found, mut at) = (0, HEADER as u64);
        loop {
            file.seek(SeekFrom::Start(at))?;
            if !read_whole(file, &mut frame)? || frame[8..16] != self.header[16..24] {
                return Ok(found);
            }
            self.checksum.add(&frame[..8]);
            self.checksum.add(&frame[FRAME_HEADER..]);
            if self.checksum.sums != (word(&frame, 16), word(&frame, 20)) {
                return Ok(found);
            }
            visit(file, at, &frame)?;
            found += 1;
            at += frame.len() as u64;
        }
    }
}

/// False if the file ends before.
fn read_whole(file: &mut File, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

struct Checksum {
    /// How the words of the content are read; the sums themselves are always stored with the high byte first.
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    fn add(&mut self, content: &[u8]) {
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        for pair in content.chunks_exact(8) {
            let (first, second) = pair.split_at(4);
            let (one, two) = &mut self.sums;
            *one = one.wrapping_add(read(first.try_into().expect("four bytes"))).wrapping_add(*two);
            *two = two.wrapping_add(read(second.try_into().expect("four bytes"))).wrapping_add(*one);
        }
    }
}

/// The number of the page in a frame.
pub(crate) fn page_of(frame: &[u8]) -> u32 {
    word(frame, 0)
}

/// Whether a frame is the last one of its transaction.
pub(crate) fn commits(frame: &[u8]) -> bool {
    word(frame, 4) != 0
}

/// The page in a frame.
pub(crate) fn content_of(frame: &[u8]) -> &[u8] {
    &frame[FRAME_HEADER..]
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) const HEADER: usize = 32;
pub(crate) const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;
