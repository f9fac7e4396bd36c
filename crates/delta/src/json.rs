//! The part of JSON that metadata needs: checking that text is well formed, and splitting an object into its members.
//!
//! Written by hand because a general parser would take up a third of the browser's module. Nothing here recurses, so
//! only the text's length bounds its nesting.

use std::borrow::Cow;

/// A member of an object: its key without escapes, and its value's text.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a str);

/// Checks that `text` is one JSON object. The error says what was expected, and where.
pub(crate) fn check_object(text: &str) -> Result<(), String> {
    let mut reader = Reader { text, at: 0 };
    reader.whole(|reader| reader.object(None)).map_err(|expected| reader.fault(expected))
}

/// Checks that `text` is one JSON value. The error says what was expected, and where.
pub(crate) fn check_value(text: &str) -> Result<(), String> {
    let mut reader = Reader { text, at: 0 };
    reader.whole(Reader::value).map_err(|expected| reader.fault(expected))
}

/// Appends the members of the JSON object `text`, in their order. Adds nothing if `text` is not an object.
pub(crate) fn add_members<'a>(members: &mut Vec<Member<'a>>, text: &'a str) {
    let before = members.len();
    let read = Reader { text, at: 0 }.whole(|reader| reader.object(Some(members)));
    if read.is_err() {
        members.truncate(before);
    }
}

/// Appends `text` as a JSON string with as few escapes as possible.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' => {
                out.push_str("\\u00");
                out.extend(
                    [c as u32 >> 4, c as u32 & 15].map(|digit| char::from_digit(digit, 16).unwrap_or('0')),
                );
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// The error is what was expected at this place.
type Read<T> = Result<T, &'static str>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn whole(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        self.space();
        read(self)?;
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err("the end") }
    }

    #[inline]
    fn object(&mut self, mut members: Option<&mut Vec<Member<'a>>>) -> Read<()> {
        self.expect(b'{', "an object")?;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let key = self.key()?;
            self.colon()?;
            let start = self.at;
            self.value()?;
            if let Some(members) = &mut members {
                members.push((key, self.since(start)));
            }
            self.space();
            if !self.take(b',') {
                return self.expect(b'}', "',' or '}'");
            }
        }
    }

    #[inline]
    fn value(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'{' | b'[') => self.nested(),
            _ => self.scalar(),
        }
    }

    /// Reads an array or an object. `open` holds the closing brackets that are still due.
    fn nested(&mut self) -> Read<()> {
        let mut open = Vec::new();
        loop {
            self.space();
            if !self.enter(&mut open)? {
                continue;
            }
            loop {
                let Some(&closing) = open.last() else { return Ok(()) };
                self.space();
                if self.take(b',') {
                    self.space();
                    self.member_start(closing)?;
                    break;
                }
                self.expect(closing, "',' or a closing bracket")?;
                open.pop();
            }
        }
    }

    /// Reads a scalar or an empty array or object and returns true; of others it reads only the opening bracket.
    fn enter(&mut self, open: &mut Vec<u8>) -> Read<bool> {
        let closing = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return self.scalar().map(|()| true),
        };
        self.at += 1;
        self.space();
        if self.take(closing) {
            return Ok(true);
        }
        self.member_start(closing)?;
        open.push(closing);
        Ok(false)
    }

    fn member_start(&mut self, closing: u8) -> Read<()> {
        if closing == b']' {
            return Ok(());
        }
        self.string()?;
        self.colon()
    }

    #[inline]
    fn colon(&mut self) -> Read<()> {
        self.space();
        self.expect(b':', "':'")?;
        self.space();
        Ok(())
    }

    #[inline]
    fn scalar(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let word = ["true", "false", "null"]
                    .into_iter()
                    .find(|word| self.rest().starts_with(word.as_bytes()));
                self.at += word.ok_or("a value")?.len();
                Ok(())
            }
        }
    }

    #[inline]
    fn number(&mut self) -> Read<()> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_digit());
        if self.at == start { Err("a digit") } else { Ok(()) }
    }

    /// Reads a string. Returns whether it has escapes.
    #[inline]
    fn string(&mut self) -> Read<bool> {
        self.expect(b'"', "a string")?;
        let mut escaped = false;
        loop {
            self.skip(|byte| !matches!(byte, b'"' | b'\\' | ..=0x1f));
            if self.take(b'"') {
                return Ok(escaped);
            }
            self.expect(b'\\', "the end of the string")?;
            self.escape()?;
            escaped = true;
        }
    }

    /// Returns the escape's UTF-16 code unit.
    fn escape(&mut self) -> Read<u16> {
        let letter = self.peek().ok_or("an escape")?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => letter.into(),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => self.four_digits()?,
            _ => return Err("an escape"),
        })
    }

    fn four_digits(&mut self) -> Read<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit =
                self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or("a hexadecimal digit")?;
            unit = unit << 4 | digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }

    #[inline]
    fn key(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        let escaped = self.string()?;
        let text = self.text.get(start..self.at - 1).ok_or("a key")?;
        if escaped { unescaped(text).map(Cow::Owned) } else { Ok(Cow::Borrowed(text)) }
    }

    #[inline]
    fn space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    #[inline]
    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while at < bytes.len() && is_skipped(bytes[at]) {
            at += 1;
        }
        self.at = at;
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8, what: &'static str) -> Read<()> {
        if self.take(byte) { Ok(()) } else { Err(what) }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn fault(&self, expected: &'static str) -> String {
        format!("expected {expected} at byte {}", self.at)
    }
}

/// A string's text with its escapes resolved. A lone surrogate is an error.
fn unescaped(text: &str) -> Read<String> {
    let mut reader = Reader { text, at: 0 };
    let mut plain = String::with_capacity(text.len());
    loop {
        let start = reader.at;
        reader.at += reader.rest().iter().take_while(|byte| **byte != b'\\').count();
        plain.push_str(reader.since(start));
        if !reader.take(b'\\') {
            return Ok(plain);
        }
        let mut units = vec![reader.escape()?];
        if matches!(units[0], 0xd800..=0xdbff) && reader.take(b'\\') {
            units.push(reader.escape()?);
        }
        plain.push_str(&String::from_utf16(&units).map_err(|_| "a whole character")?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;
    use std::collections::BTreeMap;

    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\n",
        "a",
        "é",
        "0",
        "00",
        "1",
        "-",
        ".5",
        "e",
        "E+1",
        "true",
        "null",
        "fals",
        " ",
        "\n",
        "\u{1}",
        "\\ud83d",
        "\\ude00",
        "{\"k\":1}",
        "\"a\":",
        "[1,2]",
        "\"\\u0041\":2",
        "\"v\"",
    ];

    fn texts() -> impl Iterator<Item = String> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        (0..200_000).map(move |_| {
            let inner: String = (0..random(9)).map(|_| PIECES[random(PIECES.len())]).collect();
            if random(2) == 0 { inner } else { format!("{{\"a\":{inner}}}") }
        })
    }

    #[test]
    fn accepts_exactly_what_serde_json_accepts() {
        let mut taken = 0;
        for text in texts() {
            let general = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            assert_eq!(check_value(&text).is_ok(), general, "{text}");
            taken += usize::from(general);
        }
        assert!(taken > 1000, "{taken} texts are too few to compare");
    }

    #[test]
    fn finds_the_members_that_serde_json_finds() {
        let mut taken = 0;
        for text in texts() {
            let general =
                serde_json::from_str::<BTreeMap<String, Box<serde_json::value::RawValue>>>(&text).ok();
            assert_eq!(check_object(&text).is_ok(), general.is_some(), "{text}");
            let mut ours = Vec::new();
            add_members(&mut ours, &text);
            let ours: BTreeMap<_, _> = ours.into_iter().collect();
            taken += usize::from(general.is_some());
            let general = general.unwrap_or_default();
            let general = general.iter().map(|(key, value)| (Cow::Borrowed(&**key), value.get())).collect();
            assert_eq!(ours, general, "{text}");
        }
        assert!(taken > 1000, "{taken} texts are too few to compare");
    }

    #[test]
    fn writes_strings_like_serde_json() {
        let text: String = (0..0x300_u32).filter_map(char::from_u32).collect();
        let mut ours = String::new();
        write_string(&mut ours, &text);
        assert_eq!(ours, serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert!(check_value(&deep).is_ok());
        assert!(check_value(&deep[1..]).is_err());
    }
}
