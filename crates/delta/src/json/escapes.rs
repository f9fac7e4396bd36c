//! Strings with escapes, read and written.

use std::str::Chars;

/// The UTF-16 code units of a well-formed string's text, with its escapes resolved.
pub(super) struct CodeUnits<'a> {
    rest: Chars<'a>,
    /// The second unit of a character that has two.
    second: Option<u16>,
}

impl<'a> CodeUnits<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text.chars(), second: None }
    }
}

impl Iterator for CodeUnits<'_> {
    type Item = u16;

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn next(&mut self) -> Option<u16> {
        if let Some(unit) = self.second.take() {
            return Some(unit);
        }
        let c = self.rest.next()?;
        if c != '\\' {
            let mut units = [0; 2];
            let count = c.encode_utf16(&mut units).len();
            self.second = (count == 2).then_some(units[1]);
            return Some(units[0]);
        }
        Some(match self.rest.next()? {
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => (0..4).fold(0, |unit, _| {
                let digit = self.rest.next().and_then(|digit| digit.to_digit(16));
                unit << 4 | digit.unwrap_or_default() as u16
            }),
            other => other as u16,
        })
    }
}

/// A well-formed string's text with its escapes resolved; `None` if it has a lone surrogate.
pub(super) fn unescaped(text: &str) -> Option<String> {
    char::decode_utf16(CodeUnits::of(text)).collect::<Result<_, _>>().ok()
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
