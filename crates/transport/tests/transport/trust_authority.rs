//! Peers that are trusted because of who issued their certificate.

use rcgen::{ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use vectr_delta::ShardId;
use vectr_transport::{Access, Grant, Rights, TlsConfig, TransportError};

use crate::support::certificates::{Authority, file};
use crate::support::{Node, echo_all, echo_one, read_all, within};

fn with_authority(tls: &TlsConfig, authority: &Authority) -> TlsConfig {
    tls.clone().authority(file(&authority.path())).clone()
}

/// The result of an exchange with a listening node.
async fn exchange(server: &TlsConfig, client: &TlsConfig) -> Result<String, TransportError> {
    let (server, client) = (Node::configured(server), Node::configured(client));
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    within(client.exchange(&address, "hello")).await
}

#[tokio::test]
async fn members_of_one_authority_talk_whatever_the_key() {
    let rsa = KeyPair::from_pem(include_str!("fixtures/rsa-2048.pem")).unwrap();
    let p256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for authority in [Authority::new(), Authority::of(&rcgen::PKCS_ECDSA_P256_SHA256)] {
        for key in [&rsa, &p256, &p384] {
            let odd = authority.member_of(key, "odd.example", |_| {});
            let plain = authority.member("plain.example");
            assert_eq!(exchange(&odd, &plain).await.unwrap(), "hello");
            assert_eq!(exchange(&plain, &odd).await.unwrap(), "hello");
        }
    }
}

#[tokio::test]
async fn a_chain_leads_to_the_authority() {
    let root = Authority::new();
    let (below, below_pem) = root.intermediate();
    let mut member = below.member("deep.example");
    let plain = root.member("plain.example");
    assert_eq!(exchange(&plain, &member).await.unwrap_err().code(), "ERR_TRUST", "without the middle");
    let own = std::fs::read_to_string(&member.certificate.as_ref().unwrap().path).unwrap();
    let whole = below.folder().join("whole.pem");
    std::fs::write(&whole, own + &below_pem).unwrap();
    member.certificate = Some(file(&whole));
    assert_eq!(exchange(&plain, &member).await.unwrap(), "hello");
    assert_eq!(exchange(&member, &plain).await.unwrap(), "hello");
}

#[tokio::test]
async fn peers_of_other_authorities_are_refused_in_both_directions() {
    let (ours, other) = (Authority::new(), Authority::new());
    let expired = ours.member_with("old.example", |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let early = ours.member_with("early.example", |params| params.not_before = date_time_ymd(2200, 1, 1));
    let foreign = with_authority(&other.member("ours.example"), &ours);
    let mut self_made = TlsConfig::default();
    self_made.authority(file(&ours.path()));
    let member = ours.member("member.example");
    for (what, stranger) in
        [("expired", &expired), ("early", &early), ("foreign", &foreign), ("self-made", &self_made)]
    {
        let refused = exchange(&member, stranger).await.unwrap_err();
        assert!(matches!(refused, TransportError::Refused { .. }), "{what}: {refused}");
        let distrusted = exchange(stranger, &member).await.unwrap_err();
        assert!(matches!(distrusted, TransportError::Untrusted { .. }), "{what}: {distrusted}");
    }
    let told = exchange(&expired, &member).await.unwrap_err().to_string();
    assert!(told.contains("expired"), "{told}");
    let told = exchange(&foreign, &member).await.unwrap_err().to_string();
    assert!(told.contains("no configured authority issued it"), "{told}");
}

#[tokio::test]
async fn a_certificate_is_good_for_the_roles_that_it_names() {
    let authority = Authority::new();
    let only =
        |name: &str, usage| authority.member_with(name, |params| params.extended_key_usages = vec![usage]);
    let client = only("client.example", ExtendedKeyUsagePurpose::ClientAuth);
    let server = only("server.example", ExtendedKeyUsagePurpose::ServerAuth);
    assert_eq!(exchange(&server, &client).await.unwrap(), "hello");
    assert_eq!(exchange(&client, &client).await.unwrap_err().code(), "ERR_TRUST");
    assert_eq!(exchange(&server, &server).await.unwrap_err().code(), "ERR_TRUST");
}

#[tokio::test]
async fn a_pin_admits_a_peer_beside_the_authority() {
    let authority = Authority::new();
    let friend = Node::new();
    let server = Node::configured(authority.member("server.example").pins([friend.fingerprint()]));
    let (listener, address) = server.listen().await;
    tokio::spawn(echo_all(listener));
    assert_eq!(friend.exchange(&address, "hello").await.unwrap(), "hello");
    let member = Node::configured(&authority.member("member.example"));
    assert_eq!(member.exchange(&address, "hello").await.unwrap(), "hello");
}

/// The verifier is not asked on resumption, and sessions outlast the authority's removal.
#[tokio::test]
async fn a_removed_authority_cuts_live_connections_and_refuses_resumed_ones() {
    let (old, new) = (Authority::new(), Authority::new());
    let (server, client) = (Node::configured(&old.member("s")), Node::configured(&old.member("c")));
    let (listener, address) = server.listen().await;
    let listener = client.has_session(&server, listener, &address).await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    let (mut opened, _accepted) = (opened.unwrap(), accepted.unwrap());
    let moved = with_authority(&old.member("s"), &new);
    server.endpoint.set_trust(&moved).unwrap();
    let cut = within(opened.recv.read()).await.unwrap_err();
    assert!(matches!(cut, TransportError::Refused { .. }), "{cut}");
    tokio::spawn(echo_all(listener));
    assert_eq!(within(client.exchange(&address, "resumed")).await.unwrap_err().code(), "ERR_TRUST");

    // When both have switched, they trust each other again without a restart.
    client.endpoint.set_trust(&with_authority(&new.member("c"), &old)).unwrap();
    assert_eq!(within(client.exchange(&address, "again")).await.unwrap(), "again");
}

#[tokio::test]
async fn a_new_certificate_is_shown_on_every_new_connection_while_open_streams_go_on() {
    let authority = Authority::new();
    let (server, client) =
        (Node::configured(&authority.member("s")), Node::configured(&authority.member("c")));
    let (listener, address) = server.listen().await;
    let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap());
    let before = client.endpoint.fingerprint();
    assert_eq!(accepted.peer, before);

    client.endpoint.set_trust(&authority.member("c")).unwrap();
    let after = client.endpoint.fingerprint();
    assert_ne!(after, before);
    let (reopened, reaccepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
    reopened.unwrap();
    assert_eq!(reaccepted.unwrap().peer, after);

    opened.send.write("still here".into()).await.unwrap();
    opened.send.finish();
    assert_eq!(read_all(&mut accepted.recv).await.unwrap(), b"still here");
    drop((opened, accepted));
    within(async {
        let live = || client.endpoint.statistics().active + client.endpoint.statistics().idle;
        while live() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_and_change_nothing() {
    let authority = Authority::new();
    let member = authority.member("member.example");
    let node = Node::configured(&member);
    let missing = file(&authority.folder().join("missing.pem"));
    let garbage = authority.folder().join("garbage.pem");
    std::fs::write(&garbage, "no PEM").unwrap();
    let damaged = authority.folder().join("damaged.pem");
    std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let (garbage, damaged) = (file(&garbage), file(&damaged));
    let other = authority.member("other.example");
    let without_key = {
        let mut tls = member.clone();
        tls.key = None;
        tls
    };
    let without_certificate = {
        let mut tls = member.clone();
        tls.certificate = None;
        tls
    };
    let with_another_key = {
        let mut tls = member.clone();
        tls.key = other.key;
        tls
    };
    for (bad, word) in [
        (member.clone().authority(missing.clone()).clone(), "missing.pem"),
        (member.clone().authority(garbage.clone()).clone(), "garbage.pem"),
        (member.clone().authority(damaged.clone()).clone(), "damaged.pem"),
        (member.clone().certificate(garbage.clone()).clone(), "garbage.pem"),
        (member.clone().certificate(damaged).clone(), "damaged.pem"),
        (member.clone().key(garbage).clone(), "garbage.pem"),
        (without_key, "key"),
        (without_certificate, "certificate"),
        (with_another_key, "does not go with"),
    ] {
        let error = node.endpoint.set_trust(&bad).unwrap_err();
        assert_eq!(error.code(), "ERR_CONFIG");
        assert!(error.to_string().contains(word), "{error}");
    }
    let peer = Node::configured(&authority.member("peer.example"));
    let (listener, address) = peer.listen().await;
    let (served, heard) = tokio::join!(echo_one(&listener), node.exchange(&address, "hello"));
    served.unwrap();
    assert_eq!(heard.unwrap(), "hello");
}

/// Names in a certificate count only if an authority vouches for them: anyone can write any name into a certificate.
#[tokio::test]
async fn rights_go_by_names_that_the_authority_vouches_for() {
    let authority = Authority::new();
    let mut rights = Rights::none();
    let write = ["s".to_owned()].into();
    rights.grant("Agent.Example", Grant { write, ..Grant::default() }).unwrap();
    let member = Node::configured(&authority.member("agent.example"));
    let other = Node::configured(&authority.member("other.example"));
    let impostor = Node::configured(&Authority::new().member("agent.example"));
    let server = Node::configured(
        authority.member("server.example").rights(rights).pins(vec![impostor.fingerprint()]),
    );
    impostor.trust.dangerous().accept_any_peer();
    let (listener, address) = server.listen().await;
    for (client, expected) in [(&member, Access::Write), (&other, Access::None), (&impostor, Access::None)] {
        let (opened, accepted) = tokio::join!(client.endpoint.open(&address, None), listener.accept());
        opened.unwrap();
        let rights = accepted.unwrap().rights();
        assert_eq!(rights.access(&ShardId::new("s").unwrap()), expected);
    }
}
