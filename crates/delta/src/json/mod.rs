//! The part of JSON that metadata needs: checking that text is well formed, and splitting an object into its members.
//!
//! Written by hand because a general parser would take up a third of the browser's module. Nothing here recurses, so
//! only the text's length bounds the nesting of what need not be metadata.

mod escapes;
mod keys;
mod reader;

pub(crate) use escapes::write_string;
pub(crate) use reader::{MAX_DEPTH, Member, ObjectFault};

use reader::{Reader, Rules};

/// Checks that `text` is one JSON object that every reader understands, and understands alike: no deeper than
/// [`MAX_DEPTH`], and with each key once in its object. Of doubled keys SQLite takes the first and JavaScript the last.
pub(crate) fn check_object(text: &str) -> Result<(), ObjectFault> {
    let mut reader = Reader::new(text, Some(Rules::default()));
    reader.whole(|reader| reader.object(None)).map_err(|expected| reader.object_fault(expected))
}

/// Checks that `text` is one JSON value. The error says what was expected, and where.
pub(crate) fn check_value(text: &str) -> Result<(), String> {
    let mut reader = Reader::new(text, None);
    reader.whole(Reader::value).map_err(|expected| reader.fault(expected))
}

/// Appends the members of the JSON object `text`, in their order. Adds nothing if `text` is not an object.
pub(crate) fn add_members<'a>(members: &mut Vec<Member<'a>>, text: &'a str) {
    let before = members.len();
    let read = Reader::new(text, None).whole(|reader| reader.object(Some(members)));
    if read.is_err() {
        members.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use serde::de::IgnoredAny;

    use super::*;

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
            match check_object(&text) {
                // serde_json keeps the last of doubled keys.
                Err(ObjectFault::DoubledKey(_)) => continue,
                checked => assert_eq!(checked.is_ok(), general.is_some(), "{text}"),
            }
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
    fn a_key_may_stand_once_in_each_object_however_it_is_written() {
        let many: String = (0..50).map(|key| format!("\"key{key}\":0,")).collect();
        for (text, doubled) in [
            (r#"{"a":1,"b":{"a":1,"c":{"a":2}},"c":[{"a":1},{"a":2}]}"#.to_owned(), None),
            (r#"{"a":1,"b":2,"a":3}"#.to_owned(), Some("a")),
            (r#"{"x":[{},{"k":{},"b":{"b":0},"k":[]}]}"#.to_owned(), Some("k")),
            (r#"{"k\u00e9y":1,"kéy":2}"#.to_owned(), Some("kéy")),
            (r#"{"x":{"\ud83d\ude00":1,"😀":2}}"#.to_owned(), Some("😀")),
            (r#"{"x":{"\ud83d":1,"\ud83e":2,"\u0061":3,"b":4}}"#.to_owned(), None),
            (r#"{"x":{"\ud83d":1,"\uD83D":2}}"#.to_owned(), Some("\\uD83D")),
            (format!(r#"{{{many}"last":1}}"#), None),
            (format!(r#"{{"x":{{{many}"key31":1}}}}"#), Some("key31")),
        ] {
            let found = check_object(&text);
            assert_eq!(
                found,
                doubled.map_or(Ok(()), |key| Err(ObjectFault::DoubledKey(key.to_owned()))),
                "{text}"
            );
            assert!(check_value(&text).is_ok());
        }
    }

    #[test]
    fn an_object_may_have_a_thousand_levels() {
        for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
            let nested = |levels: usize, inner: &str| {
                format!("{{\"k\":{}{inner}{}}}", open.repeat(levels - 1), close.repeat(levels - 1))
            };
            assert_eq!(check_object(&nested(MAX_DEPTH, "0")), Ok(()));
            assert_eq!(check_object(&nested(MAX_DEPTH - 1, "[]")), Ok(()));
            for (levels, inner) in
                [(MAX_DEPTH + 1, "0"), (MAX_DEPTH, "[]"), (MAX_DEPTH, "{}"), (200_000, "0")]
            {
                assert_eq!(check_object(&nested(levels, inner)), Err(ObjectFault::Depth), "{levels}");
            }
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert!(check_value(&deep).is_ok());
        assert!(check_value(&deep[1..]).is_err());
    }
}
