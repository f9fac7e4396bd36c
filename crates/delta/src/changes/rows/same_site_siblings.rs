use crate::{Row, Sibling, SiteId};

/// Several versions that one site has standing in a row.
///
/// A context covers all numbers of a site up to one, so the later of such versions cannot come without the earlier ones:
/// it would supersede them. And where a still later one of the site's was superseded by another site, no version's
/// history can say so. Each of them therefore has an entry of its own in its history, under the key
/// `standing:<site>:<count>`: so many versions of the site stand, and its others up to the entry's number are superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SameSiteSiblings {
    pub(crate) site: SiteId,
    count: usize,
}

impl SameSiteSiblings {
    pub(crate) fn of(siblings: &[Sibling], site: SiteId) -> Self {
        Self { site, count: siblings.iter().filter(|sibling| sibling.dot().site == site).count() }
    }

    /// `None` where the site has one version or none.
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
