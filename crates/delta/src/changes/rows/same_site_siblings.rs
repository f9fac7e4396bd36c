use crate::{Row, Sibling, SiteId};

/// Several siblings of one site in a row.
///
/// A context covers all numbers of a site up to one, so the later of these siblings cannot be sent without the earlier
/// ones: it would supersede them. And if another site superseded a still later version of this site, no sibling's
/// history can express that. The history of each of them therefore has an additional entry under the key
/// `standing:<site>:<count>`: the site has `count` siblings, and its other versions up to the entry's number are
/// superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SameSiteSiblings {
    pub(crate) site: SiteId,
    count: usize,
}

impl SameSiteSiblings {
    pub(crate) fn of(siblings: &[Sibling], site: SiteId) -> Self {
        Self { site, count: siblings.iter().filter(|sibling| sibling.dot().site == site).count() }
    }

    /// `None` if the site has at most one sibling.
    pub(crate) fn around(row: &Row, site: SiteId) -> Option<Self> {
        Some(Self::of(row.siblings(), site)).filter(|same_site| same_site.count > 1)
    }

    pub(crate) fn key(&self) -> String {
        format!("{PREFIX}{}:{}", self.site, self.count)
    }

    /// `None` for any other key.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let (site, count) = key.strip_prefix(PREFIX)?.split_once(':')?;
        Some(Self { site: site.parse().ok()?, count: count.parse().ok()? })
    }
}

const PREFIX: &str = "standing:";
