//! What the tokens of one Rust file say about modules, names and paths.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module as it is written: a whole file, or `mod name { … }` in one.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Items that are defined here.
    pub(crate) defined: BTreeSet<String>,
    /// `mod name;`
    pub(crate) files: Vec<String>,
    /// `mod name { … }`
    pub(crate) inline: BTreeMap<String, Written>,
    pub(crate) uses: Vec<Use>,
    /// Paths with two segments or more that stand outside of `use`.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Every identifier that stands outside of `use`.
    pub(crate) words: BTreeSet<String>,
}

/// One branch of a `use` tree.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// Under which name; `None` for `*` and `_`.
    pub(crate) name: Option<String>,
    pub(crate) is_glob: bool,
    pub(crate) is_public: bool,
}

impl Written {
    /// Reads a file; one that exists for tests only is empty.
    pub(crate) fn parse(text: &str) -> Self {
        let tokens: TokenStream = text.parse().expect("the file is Rust");
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut written = Self::default();
        if !(is_punct(tokens.first(), '#') && is_punct(tokens.get(1), '!') && is_test(tokens.get(2))) {
            written.scan(&tokens, true);
        }
        written
    }

    /// `at_top`: where items define names of the module, outside of functions and blocks.
    fn scan(&mut self, tokens: &[TokenTree], at_top: bool) {
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at] {
                TokenTree::Punct(p) if p.as_char() == '#' && is_test(tokens.get(at + 1)) => {
                    item_end(tokens, at + 2)
                }
                TokenTree::Group(group) => {
                    self.scan_group(group, at_top && group.delimiter() == Delimiter::None);
                    at + 1
                }
                TokenTree::Ident(word) => self.scan_word(&word.to_string(), tokens, at, at_top),
                _ => at + 1,
            };
        }
    }

    fn scan_group(&mut self, group: &proc_macro2::Group, at_top: bool) {
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        self.scan(&inner, at_top);
    }

    fn scan_word(&mut self, word: &str, tokens: &[TokenTree], at: usize, at_top: bool) -> usize {
        let next = |offset: usize| tokens.get(at + offset);
        if word == "use" {
            let end = (at..tokens.len()).find(|i| is_punct(tokens.get(*i), ';')).unwrap_or(tokens.len());
            let is_public = is_public(&tokens[..at]);
            use_tree(&mut Vec::new(), &tokens[at + 1..end], is_public, &mut self.uses);
            return end;
        }
        if word == "mod" && at_top {
            let Some(TokenTree::Ident(name)) = next(1) else { return at + 1 };
            match next(2) {
                Some(TokenTree::Group(body)) => {
                    self.inline.entry(name.to_string()).or_default().scan_group(body, true);
                }
                _ => self.files.push(name.to_string()),
            }
            return at + 3;
        }
        if at_top && DEFINES.contains(&word) {
            let name = if word == "macro_rules" { next(2) } else { next(1) };
            if let Some(TokenTree::Ident(name)) = name {
                self.defined.insert(name.to_string());
            }
        }
        self.words.insert(word.to_owned());
        let (path, end) = path_at(tokens, at);
        if path.len() > 1 {
            self.words.extend(path.iter().cloned());
            self.paths.insert(path);
        }
        end
    }
}

/// The branches of `tokens`, which follow `prefix::`.
fn use_tree(prefix: &mut Vec<String>, tokens: &[TokenTree], is_public: bool, found: &mut Vec<Use>) {
    let depth = prefix.len();
    for branch in tokens.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ',')) {
        let mut renamed = None;
        let mut is_glob = false;
        let mut is_group = false;
        let mut rest = branch.iter().enumerate();
        while let Some((at, token)) = rest.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    renamed = rest.next().map(|(_, name)| name.to_string());
                }
                TokenTree::Ident(word) if word != "self" || at == 0 && depth == 0 => {
                    prefix.push(word.to_string());
                }
                TokenTree::Punct(p) if p.as_char() == '*' => is_glob = true,
                TokenTree::Group(group) => {
                    is_group = true;
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    use_tree(prefix, &inner, is_public, found);
                }
                _ => {}
            }
        }
        if !is_group && !branch.is_empty() {
            let name = if is_glob { None } else { renamed.or_else(|| prefix.last().cloned()) };
            let name = name.filter(|name| name != "_");
            found.push(Use { path: prefix.clone(), name, is_glob, is_public });
        }
        prefix.truncate(depth);
    }
}

/// The path that begins here, and where it ends.
fn path_at(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[at].to_string()];
    let mut end = at + 1;
    while is_punct(tokens.get(end), ':') && is_punct(tokens.get(end + 1), ':') {
        let Some(TokenTree::Ident(word)) = tokens.get(end + 2) else { break };
        path.push(word.to_string());
        end += 3;
    }
    (path, end)
}

fn is_public(before: &[TokenTree]) -> bool {
    let is_pub = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(word)) if word == "pub");
    match before {
        [.., of, TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => is_pub(Some(of)),
        _ => is_pub(before.last()),
    }
}

/// Whether the attribute in these brackets keeps an item out of everything but tests.
fn is_test(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = attribute else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Behind the item at `at`: it ends with its braces or its semicolon.
fn item_end(tokens: &[TokenTree], at: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(p) => p.as_char() == ';',
        _ => false,
    };
    let is_use = tokens[at..].iter().take(3).any(|t| matches!(t, TokenTree::Ident(word) if word == "use"));
    let end = tokens[at..].iter().position(|t| if is_use { is_punct(Some(t), ';') } else { ends(t) });
    end.map_or(tokens.len(), |length| at + length + 1)
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == wanted)
}

const DEFINES: &[&str] =
    &["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];
