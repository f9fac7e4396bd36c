//! Claims of what nobody made, and names of shards that there are not.

use vectr_delta::{ChangeId, Digest, End, Hello, Message, ShardId, ShardVersion, SiteId, VersionVector};

use super::again;
use super::quic::{Connected, member, outsider};
use super::talk::{Talk, end, hello};
use crate::attack::Target;

/// Ends and Hellos that must not be believed: as a member those that break a rule, as an outsider any.
pub(super) async fn false_ends(target: Target) {
    let target = &target;
    tokio::join!(again(|| of_a_member(target)), again(|| of_an_outsider(target)));
}

async fn of_a_member(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for lie in ALL_LIES {
        lie_once(&member, *lie).await?;
        target.note();
    }
    Some(())
}

#[derive(Clone, Copy)]
enum Lie {
    OtherNonce,
    LaterIndex,
    Frontier,
    FrontierInHello,
    SitesOfAll,
    OwnSite,
    OwnSiteInHello,
    OtherDigest,
    Unasked,
    Counts,
}

const ALL_LIES: &[Lie] = &[
    Lie::OtherNonce,
    Lie::LaterIndex,
    Lie::Frontier,
    Lie::FrontierInHello,
    Lie::SitesOfAll,
    Lie::OwnSite,
    Lie::OwnSiteInHello,
    Lie::OtherDigest,
    Lie::Unasked,
    Lie::Counts,
];

async fn lie_once(member: &Connected, lie: Lie) -> Option<()> {
    let greeting = match lie {
        Lie::FrontierInHello => Hello { frontier: foreign(3).into_iter().collect(), ..hello(1) },
        Lie::OwnSiteInHello => {
            let own = Talk::meet(&member.connection, hello(1)).await?.1.site;
            Hello { version_vector: ShardVersion::from_iter([(own, UNHEARD_OF)]), ..hello(1) }
        }
        _ => hello(1),
    };
    let Some((mut talk, theirs)) = Talk::meet(&member.connection, greeting).await else {
        // Refused at the Hello.
        return Some(());
    };
    let honest = end(theirs.nonce, 0);
    let claims = |sites: u64| foreign(sites).into_iter().collect::<ShardVersion>();
    let ended = |end: End| Message::End(Box::new(end));
    let said = match lie {
        Lie::OtherNonce => ended(End { nonce: !theirs.nonce, version_vector: claims(100), ..honest }),
        Lie::LaterIndex => ended(End { index: 9, version_vector: claims(100), ..honest }),
        Lie::Frontier | Lie::FrontierInHello => {
            let frontier: VersionVector = foreign(3).into_iter().collect();
            ended(End { frontier, version_vector: claims(3), ..honest })
        }
        Lie::SitesOfAll => ended(End { version_vector: claims(ShardVersion::MAX_SITES as u64), ..honest }),
        Lie::OwnSite | Lie::OwnSiteInHello => {
            ended(End { version_vector: ShardVersion::from_iter([(theirs.site, UNHEARD_OF)]), ..honest })
        }
        // Everything that the hub claims, with other content: a reason to compare all rows, if there is one.
        Lie::OtherDigest => {
            let position: ChangeId = 1;
            let version_vector = theirs.version_vector.clone();
            ended(End { position, version_vector, tight: true, digest: Digest::default(), ..honest })
        }
        Lie::Unasked => Message::Durable(claims(1_000)),
        Lie::Counts => Message::Ack(u64::MAX >> 12),
    };
    talk.say(&said).await?;
    talk.say(&Message::Done).await?;
    talk.refusal().await;
    Some(())
}

/// Hello and End at once, on a connection without a proof of the secret.
async fn of_an_outsider(target: &Target) -> Option<()> {
    let outsider = outsider(target).await?;
    let mut talk = Talk::open(&outsider.connection).await?;
    let claims = foreign(100).into_iter().collect();
    talk.say(&Message::Hello(Box::new(Hello { version_vector: claims, ..hello(1) }))).await?;
    let claims = foreign(100).into_iter().collect();
    talk.say(&Message::End(Box::new(End { version_vector: claims, ..end(7, 0) }))).await?;
    assert!(talk.hear().await.is_none(), "the hub has answered an outsider");
    target.note();
    Some(())
}

fn foreign(sites: u64) -> Vec<(SiteId, u64)> {
    (0..sites).map(|number| (SiteId::new((0xbad << 48) + number * 7_919), 1_000)).collect()
}

/// As a member, who has a right to every shard there is, and as an outsider.
pub(super) async fn made_up_shards(target: Target) {
    let target = &target;
    tokio::join!(again(|| names_of_a_member(target)), again(|| names_of_an_outsider(target)));
}

async fn names_of_a_member(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for number in 0..1_000 {
        let shard = ShardId::new(&format!("hostile-{number}")).unwrap();
        let mut talk = Talk::open(&member.connection).await?;
        talk.say(&Message::Hello(Box::new(Hello { shard, ..hello(1) }))).await?;
        assert_eq!(talk.refusal().await?, "ERR_NOT_FOUND");
        target.note();
    }
    Some(())
}

async fn names_of_an_outsider(target: &Target) -> Option<()> {
    let outsider = outsider(target).await?;
    for number in 0..4 {
        let shard = ShardId::new(&format!("hostile-{number}")).unwrap();
        let mut talk = Talk::open(&outsider.connection).await?;
        talk.say(&Message::Hello(Box::new(Hello { shard, ..hello(1) }))).await?;
        target.note();
    }
    Some(())
}

/// More changes than the hub will ever have made in a test.
const UNHEARD_OF: u64 = 1 << 40;
