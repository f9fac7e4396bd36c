//! Strings with escapes, read and written.

/// The UTF-16 code units of a well-formed string's text, with its escapes resolved.
pub(super) fn code_units(text: &str) -> Vec<u16> {
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            continue;
        }
        units.push(match chars.next().unwrap_or('\\') {
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits =
                    chars.by_ref().take(4).map(|digit| digit.to_digit(16).unwrap_or_default() as u16);
                digits.fold(0, |unit, digit| unit << 4 | digit)
            }
            other => other as u16,
        });
    }
    units
}

/// A well-formed string's text with its escapes resolved; `None` if it has a lone surrogate.
pub(super) fn unescaped(text: &str) -> Option<String> {
    String::from_utf16(&code_units(text)).ok()
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
