//! The part of MessagePack that a delta's columns need: integers, one string, and arrays of integers.
//!
//! Written by hand because a general decoder would double the size of the browser's module. Every number and length is
//! in its shortest form, so that equal content has equal bytes.

use crate::DeltaError;

pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    match number {
        0..=0x7f => out.push(number as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => write_long(out, 0xcd, &(number as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => write_long(out, 0xce, &(number as u32).to_be_bytes()),
        _ => write_long(out, 0xcf, &number.to_be_bytes()),
    }
}

pub(crate) fn write_list_head(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=15 => out.push(0x90 | length as u8),
        16..=0xffff => write_long(out, 0xdc, &(length as u16).to_be_bytes()),
        _ => write_long(out, 0xdd, &(length as u32).to_be_bytes()),
    }
}

pub(crate) fn write_text_head(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=31 => out.push(0xa0 | length as u8),
        32..=0xff => out.extend_from_slice(&[0xd9, length as u8]),
        0x100..=0xffff => write_long(out, 0xda, &(length as u16).to_be_bytes()),
        _ => write_long(out, 0xdb, &(length as u32).to_be_bytes()),
    }
}

fn write_long(out: &mut Vec<u8>, marker: u8, number: &[u8]) {
    out.push(marker);
    out.extend_from_slice(number);
}

/// Reads what the functions above write, and refuses every other encoding.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn number(&mut self) -> Result<u64, DeltaError> {
        let (least, number) = match self.byte()? {
            small @ 0..=0x7f => (0, u64::from(small)),
            0xcc => (0x80, self.long::<1>()?),
            0xcd => (0x100, self.long::<2>()?),
            0xce => (0x1_0000, self.long::<4>()?),
            0xcf => (0x1_0000_0000, self.long::<8>()?),
            _ => return Err(malformed("expected an integer")),
        };
        shortest(least, number)
    }

    /// The length of an array, which is at most the number of remaining bytes, as each element takes at least one.
    pub(crate) fn list_head(&mut self) -> Result<usize, DeltaError> {
        let (least, length) = match self.byte()? {
            small @ 0x90..=0x9f => (0, u64::from(small & 0x0f)),
            0xdc => (16, self.long::<2>()?),
            0xdd => (0x1_0000, self.long::<4>()?),
            _ => return Err(malformed("expected an array")),
        };
        self.within(shortest(least, length)?)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DeltaError> {
        let (least, length) = match self.byte()? {
            small @ 0xa0..=0xbf => (0, u64::from(small & 0x1f)),
            0xd9 => (32, self.long::<1>()?),
            0xda => (0x100, self.long::<2>()?),
            0xdb => (0x1_0000, self.long::<4>()?),
            _ => return Err(malformed("expected a string")),
        };
        let length = self.within(shortest(least, length)?)?;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| malformed("a string is not UTF-8"))
    }

    fn byte(&mut self) -> Result<u8, DeltaError> {
        let (first, rest) = self.0.split_first().ok_or_else(|| malformed("it ends early"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn long<const N: usize>(&mut self) -> Result<u64, DeltaError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or_else(|| malformed("it ends early"))?;
        self.0 = rest;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn within(&self, length: u64) -> Result<usize, DeltaError> {
        if length > self.0.len() as u64 {
            return Err(malformed("it ends early"));
        }
        Ok(length as usize)
    }
}

fn shortest(least: u64, number: u64) -> Result<u64, DeltaError> {
    if number < least { Err(malformed("a number is not in its shortest form")) } else { Ok(number) }
}

pub(crate) fn malformed(reason: &str) -> DeltaError {
    DeltaError::Malformed { what: "delta", reason: reason.to_owned() }
}
