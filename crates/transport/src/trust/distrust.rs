use std::fmt;

/// Why a peer is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// Its certificate is not pinned, and no other rule admits it.
    Unknown,
    /// No configured authority vouches for its certificate, for this reason.
    Certificate(String),
    /// Its certificate has expired.
    Expired,
    /// It has not proven the cluster's secret.
    Secret,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it is not pinned"),
            Self::Certificate(reason) => f.write_str(reason),
            Self::Expired => f.write_str("its certificate has expired"),
            Self::Secret => f.write_str("it did not prove the cluster's secret"),
        }
    }
}
