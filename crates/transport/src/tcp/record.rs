use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A record of the control stream: `u8 kind | u32 number | u8 length | text`, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Kind 0: the connection is closed with this code and reason. No record follows.
    Close(u32, Bytes),
    /// Kind 1: every byte of the stream with this HTTP/2 number has arrived.
    Arrived(u32),
    /// Kind 2: the stream with this number is stopped with this code, sent as four bytes of text.
    Stop(u32, u32),
}

impl Record {
    const HEAD: usize = 6;

    pub(crate) fn encode(&self) -> Bytes {
        let code;
        let (kind, number, text): (u8, u32, &[u8]) = match self {
            Self::Close(code, reason) => (0, *code, &reason[..reason.len().min(usize::from(u8::MAX))]),
            Self::Arrived(stream) => (1, *stream, &[]),
            Self::Stop(stream, given) => {
                code = given.to_le_bytes();
                (2, *stream, &code)
            }
        };
        let mut bytes = BytesMut::with_capacity(Self::HEAD + text.len());
        bytes.put_u8(kind);
        bytes.put_u32_le(number);
        bytes.put_u8(text.len() as u8);
        bytes.put_slice(text);
        bytes.freeze()
    }

    /// Takes a record from the front, once it is complete. `Err` for an unknown kind.
    pub(crate) fn take(bytes: &mut BytesMut) -> Result<Option<Self>, u8> {
        if bytes.len() < Self::HEAD || bytes.len() < Self::HEAD + usize::from(bytes[Self::HEAD - 1]) {
            return Ok(None);
        }
        let (kind, number, length) = (bytes.get_u8(), bytes.get_u32_le(), bytes.get_u8());
        let text = bytes.split_to(usize::from(length)).freeze();
        match kind {
            0 => Ok(Some(Self::Close(number, text))),
            1 => Ok(Some(Self::Arrived(number))),
            2 => match text.first_chunk() {
                Some(code) => Ok(Some(Self::Stop(number, u32::from_le_bytes(*code)))),
                None => Err(kind),
            },
            unknown => Err(unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_from_any_pieces() {
        let records = [
            Record::Arrived(7),
            Record::Close(1, Bytes::from_static(b"not trusted")),
            Record::Stop(9, 0xffff_ff01),
        ];
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.encode().to_vec()).collect();
        for size in 1..bytes.len() {
            let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(record) = Record::take(&mut buffer).unwrap() {
                    read.push(record);
                }
            }
            assert_eq!(read, records);
        }
        assert_eq!(Record::take(&mut BytesMut::from(&[9, 0, 0, 0, 0, 0][..])), Err(9));
    }
}
