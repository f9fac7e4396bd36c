//! Reads a write-ahead log frame by frame, as SQLite's recovery does:
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::io::{self, Read};

/// The intact frames of a log, up to the first one that is not.
pub(crate) struct LogFrames<R> {
    log: R,
    big_endian: bool,
    page_bytes: usize,
    salt: [u8; 8],
    sum: (u32, u32),
}

/// One page as a transaction left it.
pub(crate) struct Frame {
    /// Its number, from 1.
    pub(crate) page: u32,
    /// Whether it is the last one of its transaction.
    pub(crate) commits: bool,
    pub(crate) content: Vec<u8>,
}

impl<R: Read> LogFrames<R> {
    /// `None` if the log has no intact header: SQLite ignores such a log.
    pub(crate) fn open(mut log: R) -> io::Result<Option<Self>> {
        let mut header = [0; 32];
        if !fill(&mut log, &mut header)? {
            return Ok(None);
        }
        let magic = word(&header, 0);
        if magic & !1 != MAGIC {
            return Ok(None);
        }
        let big_endian = magic & 1 == 1;
        let sum = checksum((0, 0), &header[..24], big_endian);
        if sum != (word(&header, 24), word(&header, 28)) {
            return Ok(None);
        }
        let page_bytes = word(&header, 8) as usize;
        if !(512..=65_536).contains(&page_bytes) || !page_bytes.is_power_of_two() {
            return Ok(None);
        }
        let mut salt = [0; 8];
        salt.copy_from_slice(&header[16..24]);
        Ok(Some(Self { log, big_endian, page_bytes, salt, sum }))
    }

    /// The next intact frame.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut header = [0; 24];
        let mut content = vec![0; self.page_bytes];
        if !fill(&mut self.log, &mut header)? || !fill(&mut self.log, &mut content)? {
            return Ok(None);
        }
        let sum = checksum(self.sum, &header[..8], self.big_endian);
        let sum = checksum(sum, &content, self.big_endian);
        if header[8..16] != self.salt || sum != (word(&header, 16), word(&header, 20)) {
            return Ok(None);
        }
        self.sum = sum;
        Ok(Some(Frame { page: word(&header, 0), commits: word(&header, 4) != 0, content }))
    }
}

/// Returns false if the log ends before.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn checksum(sum: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    bytes.chunks_exact(8).fold(sum, |(first, second), pair| {
        let first = first.wrapping_add(read(&pair[..4])).wrapping_add(second);
        (first, second.wrapping_add(read(&pair[4..])).wrapping_add(first))
    })
}

const MAGIC: u32 = 0x377f_0682;
