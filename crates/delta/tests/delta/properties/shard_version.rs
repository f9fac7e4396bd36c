use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vectr_delta::{Dot, ShardVersion, SiteId, VersionVector};

use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn copies_that_share_entries_are_like_maps(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut copies = vec![(ShardVersion::new(), Map::new())];
        let sites = [4, 40, 600][draw.index(3)];
        for _ in 0..draw.below(300) {
            let at = draw.index(copies.len());
            match draw.below(16) {
                0 if copies.len() < 6 => copies.push(copies[at].clone()),
                1 => {
                    let other = copies[draw.index(copies.len())].clone();
                    let (version, map) = &mut copies[at];
                    version.join(&other.0);
                    other.1.into_iter().for_each(|(site, seq)| raise(map, site, seq));
                }
                2 => {
                    let gone: BTreeSet<SiteId> = (0..3).map(|_| SiteId::new(draw.below(sites))).collect();
                    let (version, map) = &mut copies[at];
                    version.remove_sites(&gone);
                    map.retain(|site, _| !gone.contains(site));
                }
                3 => {
                    let more: Vec<_> =
                        (0..draw.below(300)).map(|_| (SiteId::new(draw.below(sites)), draw.below(9))).collect();
                    let (version, map) = &mut copies[at];
                    *version = version.joined(&more.iter().copied().collect());
                    more.into_iter().for_each(|(site, seq)| raise(map, site, seq));
                }
                _ => {
                    let (site, seq) = (SiteId::new(draw.below(sites)), draw.below(9));
                    let (version, map) = &mut copies[at];
                    version.add(Dot { site, seq });
                    raise(map, site, seq);
                }
            }
        }
        for (version, map) in &copies {
            prop_assert_eq!(version.iter().collect::<Map>(), map.clone());
            prop_assert_eq!((version.len(), version.is_empty()), (map.len(), map.is_empty()));
            prop_assert!(map.iter().all(|(site, seq)| version.seq(*site) == *seq));
            for (other, others) in &copies {
                let seq = |map: &Map, site: &SiteId| map.get(site).copied().unwrap_or(0);
                let all: BTreeSet<&SiteId> = map.keys().chain(others.keys()).collect();
                let both = all.into_iter().map(|site| (*site, seq(map, site), seq(others, site)));
                let expected: Vec<_> = both.filter(|(_, here, there)| here != there).collect();
                prop_assert_eq!(version == other, expected.is_empty());
                prop_assert_eq!(version.covers_all(other), expected.iter().all(|(_, here, there)| here > there));
                let vector: VersionVector = others.iter().map(|(site, seq)| (*site, *seq)).collect();
                prop_assert_eq!(version.covers_vector(&vector), version.covers_all(other));
                let beyond = expected.iter().filter(|(_, here, there)| here > there);
                prop_assert_eq!(
                    version.beyond(other).iter().collect::<Vec<_>>(),
                    beyond.map(|(site, here, _)| (*site, *here)).collect::<Vec<_>>()
                );
                prop_assert_eq!(version.differences(other).collect::<Vec<_>>(), expected);
            }
        }
    }
}

type Map = BTreeMap<SiteId, u64>;

fn raise(map: &mut Map, site: SiteId, seq: u64) {
    if seq > 0 {
        let held = map.entry(site).or_default();
        *held = (*held).max(seq);
    }
}
