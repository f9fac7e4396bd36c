//! How large SQLite may make a statement before it runs it.

use std::collections::HashMap;

/// The most copies of an expression, or of a common table expression, that a statement may lead to.
pub(super) const MOST_COPIES: u64 = 1 << 17;

/// At most how many copies SQLite makes of a part of this statement while it prepares it.
///
/// Where a query reads another query, SQLite puts the expressions of the inner one in place of each name that stands for
/// them, and a common table expression in place of each mention. A statement of 400 bytes becomes one of gigabytes so, and
/// nothing can stop SQLite meanwhile. The most mentions of any one name within a query bound how often that query doubles
/// what it reads; queries may be chained, so the bounds are multiplied. A query that reads no other one copies nothing.
pub(super) fn most_copies(sql: &str) -> u64 {
    let tokens = tokens(sql);
    // Any query may then read any other.
    let chained = tokens.iter().any(|token| token.is_word(&["with"]));
    let mut open = vec![Query { is_query: true, reads: chained, ..Query::default() }];
    let mut copies = 1_u64;
    for (place, token) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).map_or(&Token::Comma, |place| &tokens[place]);
        let after = tokens.get(place + 1);
        match token {
            Token::Open => open.push(Query {
                is_query: after.is_some_and(|first| first.is_word(&BEGINNINGS)),
                reads: chained,
                // Which is about no rows of the query around it.
                is_named: before.is_word(&["as", "materialized"]),
                ..Query::default()
            }),
            Token::Close => {
                let Some(closed) = (open.len() > 1).then(|| open.pop()).flatten() else { continue };
                copies = copies.saturating_mul(closed.factor());
                open.last_mut().expect("the statement itself stays").absorb(closed);
            }
            Token::Dot | Token::Comma => {}
            Token::Name { text, quote } => {
                // Of `table.column`, the column counts. A call and a word of the language stand for nothing.
                let is_other = matches!(after, Some(Token::Open | Token::Dot)) || token.is_word(&RESERVED);
                let is_text = *quote == Quote::Text
                    && !matches!(before, Token::Dot | Token::Comma)
                    && !before.is_word(&["from", "join"]);
                if !is_other && !is_text {
                    let query = open.last_mut().expect("the statement itself stays");
                    *query.names.entry(text.clone()).or_default() += 1;
                }
            }
        }
    }
    open.iter().fold(copies, |copies, query| copies.saturating_mul(query.factor()))
}

/// The inside of parentheses, or the statement itself.
#[derive(Default)]
struct Query {
    /// Whether it is a query of its own, and not a part of one.
    is_query: bool,
    /// Whether it may read another query.
    reads: bool,
    /// Whether it is a common table expression.
    is_named: bool,
    /// How often each name is mentioned, also in the queries within it, which may be about its rows.
    names: HashMap<String, u64>,
}

impl Query {
    fn factor(&self) -> u64 {
        if self.is_query && self.reads { self.names.values().copied().max().unwrap_or(1) } else { 1 }
    }

    fn absorb(&mut self, inner: Self) {
        self.reads |= inner.is_query || inner.reads;
        for (name, count) in inner.names.into_iter().filter(|_| !inner.is_named) {
            *self.names.entry(name).or_default() += count;
        }
    }
}

enum Token {
    Open,
    Close,
    Dot,
    Comma,
    /// In lower case as SQLite folds it, without quotes.
    Name {
        text: String,
        quote: Quote,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Name,
    /// Which SQLite takes for a name where only one may stand.
    Text,
}

impl Token {
    /// Whether it is one of these words of the language.
    fn is_word(&self, words: &[&str]) -> bool {
        matches!(self, Self::Name { text, quote: Quote::None } if words.contains(&text.as_str()))
    }
}

/// What of a statement can stand for something else. Numbers, comments and other signs cannot.
fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '.' | ',' => {
                tokens.push(match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    '.' => Token::Dot,
                    _ => Token::Comma,
                });
                1
            }
            '\'' | '"' | '`' | '[' => {
                let end = if first == '[' { ']' } else { first };
                let length = quoted(rest, end);
                let inner = &rest[1..length];
                let inner = inner.strip_suffix(end).unwrap_or(inner);
                let text = match first {
                    '[' => inner.to_ascii_lowercase(),
                    quote => {
                        inner.replace(&format!("{quote}{quote}"), &quote.to_string()).to_ascii_lowercase()
                    }
                };
                tokens
                    .push(Token::Name { text, quote: if first == '\'' { Quote::Text } else { Quote::Name } });
                length
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
            first if is_part(first) => {
                let length = rest.find(|part| !is_part(part)).unwrap_or(rest.len());
                if !first.is_ascii_digit() {
                    tokens
                        .push(Token::Name { text: rest[..length].to_ascii_lowercase(), quote: Quote::None });
                }
                length
            }
            sign => sign.len_utf8(),
        };
        rest = &rest[length..];
    }
    tokens
}

/// The bytes of what begins with a quote. A doubled one is part of it.
fn quoted(rest: &str, end: char) -> usize {
    let mut inner = rest.char_indices().skip(1).peekable();
    while let Some((place, found)) = inner.next() {
        if found == end && (end == ']' || inner.next_if(|(_, next)| *next == end).is_none()) {
            return place + 1;
        }
    }
    rest.len()
}

fn is_part(found: char) -> bool {
    found.is_ascii_alphanumeric() || found == '_' || found == '$' || !found.is_ascii()
}

const BEGINNINGS: [&str; 3] = ["select", "with", "values"];

/// Words that SQLite takes for nothing else. Others may be names.
const RESERVED: [&str; 34] = [
    "all", "and", "as", "between", "case", "collate", "distinct", "else", "escape", "exists", "from",
    "group", "having", "in", "is", "isnull", "join", "limit", "not", "notnull", "null", "on", "or", "order",
    "select", "set", "table", "then", "to", "union", "using", "values", "when", "where",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Each query says four times what the one before it says.
    fn chained(depth: usize) -> String {
        let link = |at: usize| format!(", c{at} AS (SELECT a+a+a+a a FROM c{})", at - 1);
        let links: String = (1..depth).map(link).collect();
        format!("WITH c0 AS (SELECT 1 a){links} SELECT a FROM c{}", depth - 1)
    }

    #[test]
    fn names_that_double_what_they_stand_for_multiply() {
        assert!(most_copies(&chained(4)) <= MOST_COPIES);
        assert!(most_copies(&chained(12)) > MOST_COPIES);
        for depth in [30, 300, 3_000] {
            assert!(most_copies(&chained(depth)) > MOST_COPIES);
        }
    }

    #[test]
    fn queries_within_queries_quoted_names_and_comments_are_seen_through() {
        let nested = (0..24).fold("SELECT 1 a".to_owned(), |inner, _| format!("SELECT a+a a FROM ({inner})"));
        let quoted = nested.replace("a+a", "\"A\"/* ) */+[a]");
        let correlated = nested.replace("a+a", "(SELECT a)+(SELECT a)");
        let united = (1..24).fold("WITH c0 AS (SELECT 1 a)".to_owned(), |sql, at| {
            let before = at - 1;
            format!("{sql}, c{at} AS (SELECT * FROM c{before} UNION ALL SELECT * FROM c{before})")
        });
        let text = (0..24).fold(united.clone(), |sql, at| {
            sql.replace(&format!("FROM c{at} "), &format!("FROM /* */ 'c{at}' "))
        });
        for sql in [nested, quoted, correlated, text, format!("{united} SELECT count(*) FROM c23")] {
            assert!(most_copies(&sql) > MOST_COPIES, "{sql}");
        }
    }

    #[test]
    fn a_name_is_one_however_it_is_written() {
        for (named, read) in [
            ("a", "a"),
            ("\"all\"", "\"all\""),
            ("'a'", "'c'.'a'"),
            ("a", "c . 'a'"),
            ("\u{c9}", "\"\u{c9}\""),
            ("[a\"b]", "\"a\"\"b\""),
            ("`a``b`", "[a`b]"),
            ("\"select\"", "[SELECT]"),
        ] {
            let sql = (1..30).fold(format!("WITH c0({named}) AS (SELECT 1)"), |sql, at| {
                let read = read.replace('c', &format!("c{}", at - 1));
                format!("{sql}, c{at}({named}) AS (SELECT {read}+{read} FROM c{})", at - 1)
            });
            assert!(most_copies(&sql) > MOST_COPIES, "{sql}");
        }
    }

    #[test]
    fn what_people_ask_stays_far_below() {
        let part = |at: usize| {
            format!(
                "t{at} AS (SELECT v.id, v.shard_id, v.timestamp, json_extract(v.metadata, '$.x') x FROM vectors v \
                 WHERE v.timestamp > 0 AND json_extract(v.metadata, '$.k') = 'k{at}')"
            )
        };
        let parts: Vec<String> = (0..8).map(part).collect();
        let joins: String = (1..8).map(|at| format!(" JOIN t{at} USING (id)")).collect();
        let independent = format!("WITH {} SELECT * FROM t0{joins}", parts.join(", "));
        for sql in [
            "SELECT * FROM vectors",
            "SELECT id, json_extract(metadata, '$.a'), json_extract(metadata, '$.b'), json_extract(metadata, '$.c') \
             FROM vectors WHERE json_extract(metadata, '$.d') = 1 AND shard_id = 'a' ORDER BY timestamp DESC",
            "WITH newest AS (SELECT shard_id, id, max(timestamp) t FROM vectors GROUP BY shard_id, id), \
             counted AS (SELECT shard_id, count(*) n, max(t) t FROM newest GROUP BY shard_id), \
             ranked AS (SELECT shard_id, n, t, rank() OVER (ORDER BY n DESC) r FROM counted) \
             SELECT * FROM ranked WHERE r < 10 AND t > (SELECT avg(t) FROM counted)",
            "SELECT id FROM vectors WHERE id = 'a' OR id = 'b' OR id = 'c' OR id IN (SELECT id FROM vector_changelog \
             WHERE vector_id = 'a' OR vector_id = 'b' OR vector_id = 'c' OR vector_id = 'd' OR vector_id = 'e')",
            &independent,
            "SELECT 'it''s (SELECT a a a a', \"id\" FROM vectors -- (((",
        ] {
            assert!(most_copies(sql) <= MOST_COPIES / 64, "{sql}: {}", most_copies(sql));
        }
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for sql in ["", ")))", "((", "'", "\"", "[", "/*", "--", "é\"é", "((SELECT)", "$1 :a @b"] {
            assert!(most_copies(sql) >= 1);
        }
    }
}
