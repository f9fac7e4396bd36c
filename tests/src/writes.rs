use vectr_delta::{Metadata, Payload, VectorId};

use crate::Random;

/// One write of a node process, which its test can foretell: both make it from the same seed.
#[derive(Debug, Clone)]
pub struct Write {
    /// Of which vector.
    pub id: VectorId,
    /// What is put there, with a mark that no other write has. `None`: it is deleted.
    pub put: Option<(String, Payload)>,
}

impl Write {
    /// The writes of `node` for a seed: two thirds of them to ids that all nodes write, the others to ids that are its
    /// own; every fourth is a delete.
    ///
    /// # Panics
    /// Where the node's name is too long for an id.
    pub fn all(node: &str, seed: u64, count: u64) -> impl Iterator<Item = Self> {
        let mut random = Random::new(seed);
        (0..count).map(move |index| {
            let id = if random.below(3) == 0 {
                format!("{node}-{}", random.below(OWN_IDS))
            } else {
                format!("shared-{}", random.below(SHARED_IDS))
            };
            let id = VectorId::new(&id).expect("it is short");
            let put = (random.below(4) != 0).then(|| put(format!("{node}-{seed:016x}-{index}"), &mut random));
            Self { id, put }
        })
    }

    /// The mark of the write that put what is shown.
    #[must_use]
    pub fn mark(metadata: &Metadata) -> Option<&str> {
        metadata.as_str().strip_prefix(BEFORE)?.strip_suffix(AFTER)
    }
}

fn put(mark: String, random: &mut Random) -> (String, Payload) {
    let components: Vec<f32> = (0..DIMENSIONS).map(|_| random.below(1_000) as f32 / 1_000.0).collect();
    let metadata = Metadata::new(&format!("{BEFORE}{mark}{AFTER}")).expect("it is an object");
    let payload = Payload::from_components(&components, Some(metadata)).expect("its numbers are finite");
    (mark, payload)
}

const SHARED_IDS: u64 = 20;
const OWN_IDS: u64 = 10;
const DIMENSIONS: usize = 16;
const BEFORE: &str = r#"{"write":""#;
const AFTER: &str = r#""}"#;
