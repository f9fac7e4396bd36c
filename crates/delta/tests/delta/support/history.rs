//! Rows that result from real histories: nodes overwrite what they see and join what others hold.

use vectr_delta::{Dot, Row, Sibling, SiteId, Timestamp, VersionVector};

use crate::support::draw::Draw;

/// Every state that one vector's row had on any node, in a history drawn from the seed.
pub(crate) fn rows(draw: &mut Draw) -> Vec<Row> {
    let nodes = draw.index(4) + 2;
    let mut held: Vec<Option<Row>> = vec![None; nodes];
    let mut seqs = vec![0; nodes];
    let mut states = Vec::new();
    for _ in 0..draw.below(16) + 4 {
        let (node, other) = (draw.index(nodes), draw.index(nodes));
        let joined = match (&held[node], &held[other]) {
            (Some(mine), Some(theirs)) if node != other => Some(mine.join(theirs)),
            (None, Some(theirs)) => Some(theirs.clone()),
            _ => None,
        };
        let row = joined.filter(|_| draw.coin()).unwrap_or_else(|| {
            seqs[node] += 1 + draw.below(3);
            write(draw, node, seqs[node], held[node].as_ref())
        });
        states.push(row.clone());
        held[node] = Some(row);
    }
    states
}

/// Three rows of one history.
pub(crate) fn three(draw: &mut Draw) -> [Row; 3] {
    let states = rows(draw);
    std::array::from_fn(|_| states[draw.index(states.len())].clone())
}

fn write(draw: &mut Draw, node: usize, seq: u64, seen: Option<&Row>) -> Row {
    let dot = Dot { site: SiteId::new(node as u64 + 1), seq };
    let wall = Timestamp::from_micros(draw.below(20));
    let stamp = Timestamp::of_write(wall, Timestamp::default(), seen.map(Row::newest));
    let sibling = match draw.below(4) {
        0 => Sibling::tombstone(dot, stamp),
        _ => Sibling::put(dot, stamp, seen.is_some(), draw.payload(3)),
    };
    Row::of_write(sibling, seen.map_or_else(VersionVector::new, |row| row.context().clone()))
}
