//! The imports among TypeScript files.

use std::collections::BTreeMap;

use super::graph::Graph;

/// Graph of files that are given by their paths. Types count as everything else does.
pub(crate) fn imports(files: &BTreeMap<String, String>) -> Graph {
    let mut graph = Graph::default();
    for (file, text) in files {
        for name in module_names(text) {
            if let Some(needed) = resolve(files, file, &name) {
                graph.add(file, &needed, name);
            }
        }
    }
    graph
}

/// The string after each `from`, `import`, `import(` and `require(`.
fn module_names(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let follows = |at: usize, words: &[&str]| {
        at.checked_sub(1).is_some_and(
            |before| matches!(&tokens[before], Token::Word(word) if words.contains(&word.as_str())),
        )
    };
    let is_name = |at: usize| {
        let called = at > 0 && tokens[at - 1] == Token::Sign('(') && follows(at - 1, &["import", "require"]);
        called || follows(at, &["from", "import"])
    };
    let named = tokens.iter().enumerate().filter_map(|(at, token)| match token {
        Token::Text(name) if is_name(at) => Some(name.clone()),
        _ => None,
    });
    named.collect()
}

fn resolve(files: &BTreeMap<String, String>, from: &str, name: &str) -> Option<String> {
    if !name.starts_with('.') {
        return None;
    }
    let mut path: Vec<&str> = from.split('/').collect();
    path.pop();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                path.pop()?;
            }
            part => path.push(part),
        }
    }
    let path = path.join("/");
    let stem = path.strip_suffix(".js").unwrap_or(&path);
    let endings = [".ts", ".d.ts", "/index.ts"].map(|ending| format!("{stem}{ending}"));
    let index = if stem.is_empty() { "index.ts".to_owned() } else { path.clone() };
    endings.into_iter().chain([index]).find(|place| files.contains_key(place))
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Words, string literals and signs; no comments, no blanks.
fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if matches!(first, '\'' | '"' | '`') {
            let length = literal(rest, first);
            found.push(Token::Text(rest[1..length].trim_end_matches(first).to_owned()));
            length
        } else if first.is_alphanumeric() || matches!(first, '_' | '$') {
            let length = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$'));
            let length = length.unwrap_or(rest.len());
            found.push(Token::Word(rest[..length].to_owned()));
            length
        } else {
            if !first.is_whitespace() {
                found.push(Token::Sign(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// How long the literal is that begins here. A quote ends with its line at the latest: a regular expression may hold one.
fn literal(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == '\n' && quote != '`' {
            return at;
        }
        if c == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text.len()
}
