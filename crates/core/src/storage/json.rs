//! Version vectors and contexts as the JSON text that the tables hold.

use std::collections::BTreeMap;

use vectr_delta::{SiteId, VersionVector};

use crate::CoreError;

/// `{"<16 hex>": seq, ...}` in the order of sites.
pub(crate) fn vector_text(vector: &VersionVector) -> String {
    object(vector.iter().map(|(site, seq)| (site.to_string(), seq)))
}

pub(crate) fn parse_vector(text: &str) -> Result<VersionVector, CoreError> {
    let entries: BTreeMap<&str, u64> = parse(text)?;
    entries.into_iter().map(|(site, seq)| Ok((parse_site(site)?, seq))).collect()
}

/// `["<16 hex>", ...]`.
pub(crate) fn site_list_text(sites: &[SiteId]) -> String {
    let quoted: Vec<String> = sites.iter().map(|site| format!("\"{site}\"")).collect();
    format!("[{}]", quoted.join(","))
}

pub(crate) fn parse_site_list(text: &str) -> Result<Vec<SiteId>, CoreError> {
    parse::<Vec<&str>>(text)?.into_iter().map(parse_site).collect()
}

/// `{"<site.n>": seq, ...}`.
pub(crate) fn context_text(entries: impl Iterator<Item = (i64, u64)>) -> String {
    object(entries)
}

pub(crate) fn parse_context(text: &str) -> Result<BTreeMap<i64, u64>, CoreError> {
    parse(text)
}

/// `[[<site.n>,seq], ...]`.
pub(crate) fn dots_text(dots: impl Iterator<Item = (i64, u64)>) -> String {
    let pairs: Vec<String> = dots.map(|(site, seq)| format!("[{site},{seq}]")).collect();
    format!("[{}]", pairs.join(","))
}

pub(crate) fn parse_dots(text: &str) -> Result<Vec<(i64, u64)>, CoreError> {
    parse(text)
}

pub(crate) fn parse_site(text: &str) -> Result<SiteId, CoreError> {
    text.parse().map_err(|_| CoreError::Damaged { reason: format!("'{text}' is no site") })
}

fn object(entries: impl Iterator<Item = (impl std::fmt::Display, u64)>) -> String {
    let mut text = String::from("{");
    for (key, value) in entries {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&format!("\"{key}\":{value}"));
    }
    text.push('}');
    text
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, CoreError> {
    serde_json::from_str(text).map_err(|error| CoreError::Damaged { reason: format!("'{text}': {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let vector: VersionVector = [(SiteId::new(7), 3), (SiteId::new(u64::MAX), 1)].into_iter().collect();
        assert_eq!(vector_text(&vector), r#"{"0000000000000007":3,"ffffffffffffffff":1}"#);
        assert_eq!(parse_vector(&vector_text(&vector)).unwrap(), vector);
        assert_eq!(
            parse_context(&context_text([(1, 5), (3, 2)].into_iter())).unwrap(),
            [(1, 5), (3, 2)].into()
        );
        assert_eq!(dots_text([(1, 5), (1, 2)].into_iter()), "[[1,5],[1,2]]");
        assert_eq!(parse_dots("[[1,5],[1,2]]").unwrap(), [(1, 5), (1, 2)]);
        let sites = [SiteId::new(1), SiteId::new(2)];
        assert_eq!(parse_site_list(&site_list_text(&sites)).unwrap(), sites);
        assert_eq!(parse_vector("{\"x\":1}").unwrap_err().code(), "ERR_STORAGE");
    }
}
