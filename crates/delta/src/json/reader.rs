use std::borrow::Cow;

use super::escapes::unescaped;
use super::keys::Keys;

/// A member of an object: its key without escapes, and its value's text.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a str);

/// What keeps text from being metadata.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ObjectFault {
    /// It is not one JSON object: what was expected, and where.
    Syntax(String),
    /// Its arrays and objects nest deeper than [`MAX_DEPTH`].
    Depth,
    /// One of its objects has this key twice.
    DoubledKey(String),
}

/// The most levels of nested arrays and objects, the outer object included. SQLite's JSON functions read no more.
pub(crate) const MAX_DEPTH: usize = 1_000;

/// The error is what was expected at this place.
pub(super) type Read<T> = Result<T, &'static str>;

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Only of metadata.
    rules: Option<Rules<'a>>,
}

/// What metadata must keep to besides JSON's syntax.
#[derive(Default)]
pub(super) struct Rules<'a> {
    /// Of the objects that are open.
    keys: Keys<'a>,
    broken: Option<ObjectFault>,
}

/// An array or object that is read.
struct Open {
    /// The bracket that is due.
    closing: u8,
    /// How many keys there were before its own.
    keys: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str, rules: Option<Rules<'a>>) -> Self {
        Self { text, at: 0, rules }
    }

    pub(super) fn whole(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        self.space();
        read(self)?;
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err("the end") }
    }

    #[inline]
    pub(super) fn object(&mut self, mut members: Option<&mut Vec<Member<'a>>>) -> Read<()> {
        self.expect(b'{', "an object")?;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at + 1;
            let key = self.key()?;
            self.note_key(start, matches!(key, Cow::Owned(_)));
            self.colon()?;
            let start = self.at;
            self.value()?;
            if let Some(members) = &mut members {
                members.push((key, self.since(start)));
            }
            self.space();
            if !self.take(b',') {
                self.expect(b'}', "',' or '}'")?;
                return self.close_object(0);
            }
        }
    }

    #[inline]
    pub(super) fn value(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'{' | b'[') => self.nested(),
            _ => self.scalar(),
        }
    }

    /// Reads an array or an object.
    fn nested(&mut self) -> Read<()> {
        let mut open = Vec::new();
        loop {
            self.space();
            if !self.enter(&mut open)? {
                continue;
            }
            loop {
                let Some(&Open { closing, keys }) = open.last() else { return Ok(()) };
                self.space();
                if self.take(b',') {
                    self.space();
                    self.member_start(closing)?;
                    break;
                }
                self.expect(closing, "',' or a closing bracket")?;
                self.close_object(keys)?;
                open.pop();
            }
        }
    }

    /// Reads a scalar or an empty array or object and returns true; of others it reads only the opening bracket.
    fn enter(&mut self, open: &mut Vec<Open>) -> Read<bool> {
        let closing = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return self.scalar().map(|()| true),
        };
        if let Some(rules) = self.rules.as_mut().filter(|_| open.len() + 2 > MAX_DEPTH) {
            rules.broken = Some(ObjectFault::Depth);
            return Err("fewer levels");
        }
        self.at += 1;
        self.space();
        if self.take(closing) {
            return Ok(true);
        }
        let keys = self.rules.as_ref().map_or(0, |rules| rules.keys.count());
        self.member_start(closing)?;
        open.push(Open { closing, keys });
        Ok(false)
    }

    fn member_start(&mut self, closing: u8) -> Read<()> {
        if closing == b']' {
            return Ok(());
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        self.note_key(start, escaped);
        self.colon()
    }

    /// Notes the key that was read from `start` on.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn note_key(&mut self, start: usize, escaped: bool) {
        if let Some(rules) = &mut self.rules {
            rules.keys.add(self.text.get(start..self.at - 1).unwrap_or_default(), escaped);
        }
    }

    /// Checks the keys of the object that ends, which are those after the first `keys`.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn close_object(&mut self, keys: usize) -> Read<()> {
        let Some(rules) = &mut self.rules else { return Ok(()) };
        match rules.keys.close(keys) {
            None => Ok(()),
            Some(key) => {
                rules.broken = Some(ObjectFault::DoubledKey(key.chars().take(64).collect()));
                Err("another key")
            }
        }
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

    fn escape(&mut self) -> Read<()> {
        let letter = self.peek().ok_or("an escape")?;
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => (0..4).try_for_each(|_| self.hexadecimal_digit()),
            _ => Err("an escape"),
        }
    }

    fn hexadecimal_digit(&mut self) -> Read<()> {
        let is_digit = self.peek().is_some_and(|byte| byte.is_ascii_hexdigit());
        self.at += usize::from(is_digit);
        if is_digit { Ok(()) } else { Err("a hexadecimal digit") }
    }

    #[inline]
    fn key(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        let escaped = self.string()?;
        let text = self.text.get(start..self.at - 1).ok_or("a key")?;
        if escaped {
            unescaped(text).map(Cow::Owned).ok_or("a whole character")
        } else {
            Ok(Cow::Borrowed(text))
        }
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

    pub(super) fn fault(&self, expected: &'static str) -> String {
        format!("expected {expected} at byte {}", self.at)
    }

    /// Why the text is no metadata, after reading has failed.
    pub(super) fn object_fault(&mut self, expected: &'static str) -> ObjectFault {
        let broken = self.rules.as_mut().and_then(|rules| rules.broken.take());
        broken.unwrap_or_else(|| ObjectFault::Syntax(self.fault(expected)))
    }
}
