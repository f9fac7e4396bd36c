//! Writes that resolve a conflict as it was shown to someone, perhaps long ago.

use std::collections::BTreeSet;

use proptest::prelude::*;
use vectr_delta::{Dot, Row, Sibling, SiteId, Timestamp, VersionVector};

use crate::support::draw::Draw;
use crate::support::history::{rows, three};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_resolution_supersedes_exactly_what_it_shows(seed: u64) {
        let mut draw = Draw::new(seed);
        let [a, b, c] = three(&mut draw);
        let row = a.join(&b).join(&c);
        let shown = some_of(&mut draw, &row);
        let settled = row.with_replaced(&shown, fresh(&mut draw, 90));
        let mut expected: BTreeSet<Dot> = dots(&row);
        expected.retain(|dot| !shown.contains(dot));
        expected.insert(Dot { site: SiteId::new(90), seq: 1 });
        prop_assert_eq!(dots(&settled), expected);
        // No later join restores what it superseded, and it removes no other version.
        for seen in [&row, &a, &b, &c] {
            prop_assert_eq!(&settled.join(seen), &settled);
            prop_assert_eq!(&seen.join(&settled), &settled);
        }
    }

    #[test]
    fn a_resolution_commutes_with_every_concurrent_write(seed: u64) {
        let mut draw = Draw::new(seed);
        let states = rows(&mut draw);
        let row = states.iter().skip(1).fold(states[0].clone(), |row, state| row.join(state));
        let settled = row.with_replaced(&some_of(&mut draw, &row), fresh(&mut draw, 90));
        // A node that saw an earlier state overwrites it, resolves a part of it, or writes without having seen it.
        let seen = &states[draw.index(states.len())];
        let written = Row::of_write(fresh(&mut draw, 91), seen.context().clone());
        let part = some_of(&mut draw, seen);
        let others = [
            written,
            seen.with_replaced(&part, fresh(&mut draw, 92)),
            Row::of_write(fresh(&mut draw, 93), VersionVector::new()),
        ];
        for other in &others {
            let both = settled.join(other);
            prop_assert_eq!(&both, &other.join(&settled));
            prop_assert_eq!(&both, &row.join(other).join(&settled));
            // Neither saw the other's version, so both remain.
            let choice = Dot { site: SiteId::new(90), seq: 1 };
            prop_assert!(both.sibling(choice).is_some());
            let mut new = other.siblings().iter().filter(|sibling| sibling.dot().site.number() > 90);
            prop_assert!(new.all(|sibling| both.sibling(sibling.dot()).is_some()));
        }
        let mut parts: Vec<&Row> = others.iter().chain([&settled, &row]).collect();
        let forward = all(&parts);
        draw.shuffle(&mut parts);
        prop_assert_eq!(all(&parts), forward);
    }

    #[test]
    fn siblings_are_the_written_versions_that_were_never_superseded(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut nodes: Vec<Node> = (0..draw.index(3) + 2).map(|_| Node::default()).collect();
        for _ in 0..draw.below(24) + 8 {
            let (at, other) = (draw.index(nodes.len()), draw.index(nodes.len()));
            let dot = Dot { site: SiteId::new(at as u64 + 1), seq: nodes[at].seq + 1 };
            match draw.below(3) {
                0 => nodes[at].write(&mut draw, dot),
                1 => nodes[at].settle(&mut draw, dot),
                _ => {
                    let theirs = nodes[other].clone();
                    nodes[at].join(&theirs);
                }
            }
            nodes[at].check()?;
        }
        let forward = nodes.clone();
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        for node in &mut nodes {
            draw.shuffle(&mut order);
            order.iter().for_each(|from| node.join(&forward[*from]));
            node.check()?;
        }
        prop_assert!(nodes.windows(2).all(|pair| pair[0].row == pair[1].row));
    }
}

/// A node with its row, and a model of what the row must hold.
#[derive(Clone, Default)]
struct Node {
    seq: u64,
    row: Option<Row>,
    written: BTreeSet<Dot>,
    superseded: BTreeSet<Dot>,
    /// Every conflict that was ever shown here.
    shown: Vec<Vec<Dot>>,
}

impl Node {
    fn write(&mut self, draw: &mut Draw, dot: Dot) {
        let context = self.row.as_ref().map_or_else(VersionVector::new, |row| row.context().clone());
        self.superseded.extend(self.row.iter().flat_map(dots));
        self.take(Row::of_write(draw.sibling(dot, 2), context), dot);
    }

    fn settle(&mut self, draw: &mut Draw, dot: Dot) {
        let Some(row) = self.row.clone().filter(Row::is_concurrent) else { return };
        let old = self.shown[draw.index(self.shown.len())].clone();
        let standing: Vec<Dot> = old.iter().copied().filter(|dot| row.sibling(*dot).is_some()).collect();
        if standing.is_empty() {
            return;
        }
        self.superseded.extend(standing);
        self.take(row.with_replaced(&old, draw.sibling(dot, 2)), dot);
    }

    fn take(&mut self, row: Row, dot: Dot) {
        self.seq = dot.seq;
        self.written.insert(dot);
        self.hold(row);
    }

    fn join(&mut self, other: &Self) {
        let Some(theirs) = &other.row else { return };
        self.written.extend(&other.written);
        self.superseded.extend(&other.superseded);
        self.hold(self.row.as_ref().map_or_else(|| theirs.clone(), |row| row.join(theirs)));
    }

    fn hold(&mut self, row: Row) {
        if row.is_concurrent() {
            self.shown.push(dots(&row).into_iter().collect());
        }
        self.row = Some(row);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let standing: BTreeSet<Dot> = self.written.difference(&self.superseded).copied().collect();
        prop_assert_eq!(self.row.iter().flat_map(dots).collect::<BTreeSet<Dot>>(), standing);
        Ok(())
    }
}

fn dots(row: &Row) -> BTreeSet<Dot> {
    row.siblings().iter().map(Sibling::dot).collect()
}

/// At least one version.
fn some_of(draw: &mut Draw, row: &Row) -> Vec<Dot> {
    let mut all: Vec<Dot> = dots(row).into_iter().collect();
    draw.shuffle(&mut all);
    all.truncate(draw.index(all.len()) + 1);
    all
}

/// The first version of a site.
fn fresh(draw: &mut Draw, site: u64) -> Sibling {
    let dot = Dot { site: SiteId::new(site), seq: 1 };
    match draw.below(3) {
        0 => Sibling::tombstone(dot, Timestamp::from_micros(draw.below(20))),
        _ => draw.sibling(dot, 3),
    }
}

fn all(states: &[&Row]) -> Row {
    states.iter().skip(1).fold(states[0].clone(), |row, state| row.join(state))
}
