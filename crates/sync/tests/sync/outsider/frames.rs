//! The frames of QUIC's packets and of HTTP/2.

use std::collections::BTreeSet;

use super::heard::{Heard, handshake_messages};

/// Notes the frames of a decrypted QUIC packet (RFC 9000, section 19), up to one that nobody needs who is not admitted.
pub(crate) fn note_packet(heard: &mut Heard, packet: &[u8]) {
    heard.inside.extend_from_slice(packet);
    let mut rest = Reader(packet);
    while let Some(kind) = rest.number() {
        let name = match kind {
            0x00 => continue,
            0x01 => "PING",
            0x02 | 0x03 => {
                let (_largest, _delay, ranges, _first) =
                    (rest.number(), rest.number(), rest.number(), rest.number());
                (0..2 * ranges.unwrap() + 3 * u64::from(kind == 3)).for_each(|_| _ = rest.number());
                "ACK"
            }
            0x04 => rest.skip(3, "RESET_STREAM"),
            0x05 => rest.skip(2, "STOP_SENDING"),
            0x06 => {
                rest.number();
                rest.bytes();
                "CRYPTO"
            }
            0x07 => {
                rest.bytes();
                "NEW_TOKEN"
            }
            0x10 => rest.skip(1, "MAX_DATA"),
            0x11 => rest.skip(2, "MAX_STREAM_DATA"),
            0x12 | 0x13 => rest.skip(1, "MAX_STREAMS"),
            0x18 => {
                rest.skip(2, "");
                let id = rest.take(1).unwrap()[0];
                rest.take(usize::from(id) + 16);
                "NEW_CONNECTION_ID"
            }
            0x19 => rest.skip(1, "RETIRE_CONNECTION_ID"),
            0x1c | 0x1d => {
                let code = rest.number().unwrap();
                if kind == 0x1c {
                    rest.number();
                }
                let reason = String::from_utf8_lossy(rest.bytes()).into_owned();
                let by = if kind == 0x1c { "transport" } else { "application" };
                // A connection that drains answers the other side's close without a word, and may come after its own.
                if code != 0 || heard.end.is_empty() {
                    heard.end = format!("{by} {code:#x} {reason:?}");
                }
                "CONNECTION_CLOSE"
            }
            0x1e => "HANDSHAKE_DONE",
            0x1f => "IMMEDIATE_ACK",
            // A STREAM frame, of which what matters is that it came, or one that is never sent.
            other => {
                heard.outline.insert(format!("frame {other:#04x}"));
                return;
            }
        };
        heard.outline.insert(name.to_owned());
    }
}

/// The TLS messages of a handshake, with the sizes that chance has no part in.
pub(crate) fn outline_of_handshake(handshake: &[u8]) -> BTreeSet<String> {
    let line = |(kind, length)| match kind {
        2 => format!("ServerHello {length}"),
        // The parameters of QUIC in it, of which some are there to be ignored and have any length.
        8 => "EncryptedExtensions".to_owned(),
        4 => format!("NewSessionTicket {length}"),
        11 => format!("Certificate {length}"),
        13 => format!("CertificateRequest {length}"),
        15 => format!("CertificateVerify {length}"),
        20 => format!("Finished {length}"),
        other => format!("TLS message {other}"),
    };
    handshake_messages(handshake).map(line).collect()
}

/// Notes the frames of HTTP/2 (RFC 9113, section 6) that came inside TLS. `control` is the stream of close records; what
/// comes on any other one is meant for an application.
pub(crate) fn note_http2(heard: &mut Heard, control: u32) {
    let inside = heard.inside.clone();
    let mut rest = inside.as_slice();
    while let Some((head, behind)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (body, next) = behind.split_at(length.min(behind.len()));
        rest = next;
        let line = match head[3] {
            0 if stream == control => {
                note_record(heard, body);
                continue;
            }
            0 => {
                heard.application.extend_from_slice(body);
                continue;
            }
            1 => format!("HEADERS {length}"),
            3 => format!("RST_STREAM {}", u32::from_be_bytes(body.try_into().unwrap())),
            4 => format!("SETTINGS {length}"),
            6 => "PING".to_owned(),
            7 => format!("GOAWAY {} {:?}", body[7], String::from_utf8_lossy(&body[8..])),
            8 => "WINDOW_UPDATE".to_owned(),
            other => format!("frame {other:#04x}"),
        };
        heard.outline.insert(line);
    }
}

/// A record of the control stream: `u8 kind | u32 number | u8 length | text`.
fn note_record(heard: &mut Heard, mut bytes: &[u8]) {
    while let Some((head, behind)) = bytes.split_first_chunk::<6>() {
        let (text, next) = behind.split_at(usize::from(head[5]));
        bytes = next;
        let number = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        match head[0] {
            0 => heard.end = format!("application {number:#x} {:?}", String::from_utf8_lossy(text)),
            1 => drop(heard.outline.insert("arrived".to_owned())),
            2 => drop(heard.outline.insert("stop".to_owned())),
            other => drop(heard.outline.insert(format!("record {other}"))),
        }
    }
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of variable length; `None` at the end.
    fn number(&mut self) -> Option<u64> {
        let length = 1 << (self.0.first()? >> 6);
        let bytes = self.take(length)?;
        let first = u64::from(bytes[0] & 0x3f);
        Some(bytes[1..].iter().fold(first, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Bytes with their length before them.
    fn bytes(&mut self) -> &'b [u8] {
        let length = self.number().unwrap();
        self.take(length as usize).unwrap()
    }

    fn skip(&mut self, numbers: usize, name: &'static str) -> &'static str {
        (0..numbers).for_each(|_| _ = self.number());
        name
    }
}
