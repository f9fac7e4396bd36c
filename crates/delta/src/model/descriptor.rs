use serde::{Deserialize, Serialize};

use crate::{DeltaError, Dimensions, SiteId, bounded};

/// The type of the vectors' components. One byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[non_exhaustive]
pub enum ElementType {
    /// 32-bit IEEE 754, little-endian.
    #[default]
    F32,
}

impl From<ElementType> for u8 {
    fn from(element: ElementType) -> Self {
        match element {
            ElementType::F32 => 1,
        }
    }
}

impl TryFrom<u8> for ElementType {
    type Error = DeltaError;

    fn try_from(byte: u8) -> Result<Self, DeltaError> {
        if byte == 1 {
            Ok(Self::F32)
        } else {
            Err(DeltaError::Number { what: "element type", value: byte.into() })
        }
    }
}

/// The properties that all nodes of a shard agree on. Every session syncs them.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Descriptor {
    /// Unset until the first vector.
    pub dimensions: Option<Dimensions>,
    /// The components' type.
    pub element: ElementType,
    /// The version of `owner` and `members`; 0 while there are none.
    pub epoch: u64,
    /// The site that may collect tombstones.
    pub owner: Option<SiteId>,
    /// The sites whose acknowledgement collection waits for, in order.
    #[serde(deserialize_with = "bounded::list::<_, _, { Descriptor::MAX_MEMBERS }>")]
    pub members: Vec<SiteId>,
}

impl Descriptor {
    /// The most members.
    pub const MAX_MEMBERS: usize = 4_096;

    /// What both nodes adopt in the handshake. Unset fields take the other node's value; owner and members come from
    /// the descriptor with the higher epoch, then from the one with the smaller owner.
    ///
    /// # Errors
    /// `ERR_DIMENSIONS` if both have dimensions and these differ.
    pub fn agree(&self, peer: &Self) -> Result<Self, DeltaError> {
        let dimensions = match (self.dimensions, peer.dimensions) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                return Err(DeltaError::Dimensions { expected: ours.count(), found: theirs.count() });
            }
            (ours, theirs) => ours.or(theirs),
        };
        let collection = |descriptor: &Self| {
            let rank = descriptor.owner.map_or(0, |owner| u64::MAX - owner.number());
            (descriptor.epoch, descriptor.owner.is_some(), rank, descriptor.members.clone())
        };
        let chosen = if collection(peer) > collection(self) { peer } else { self };
        Ok(Self { dimensions, ..chosen.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_dimensions_are_adopted_and_different_ones_refused() {
        let of =
            |count: u32| Descriptor { dimensions: Some(count.try_into().unwrap()), ..Default::default() };
        assert_eq!(Descriptor::default().agree(&of(384)).unwrap(), of(384));
        assert_eq!(of(384).agree(&of(3)).unwrap_err().code(), "ERR_DIMENSIONS");
    }

    #[test]
    fn both_sides_agree_on_owner_and_members() {
        let of = |epoch, owner| Descriptor { epoch, owner: Some(SiteId::new(owner)), ..Default::default() };
        for (a, b, winner) in [(of(1, 9), of(2, 5), of(2, 5)), (of(2, 9), of(2, 5), of(2, 5))] {
            assert_eq!(a.agree(&b).unwrap(), winner);
            assert_eq!(b.agree(&a).unwrap(), winner);
        }
    }
}
