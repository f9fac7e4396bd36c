//! Whether anything of a hostile client has come into a file.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use vectr_delta::SiteId;

use crate::hub::{Hub, shard};
use crate::peers::Peer;

/// Fails for a shard, an id, a site, a node's name or a claim that no honest node has made, in any file.
pub(crate) fn check(hub: &Hub, peers: &[Peer]) {
    let served = open(&hub.file());
    let lives: Vec<String> = strings(&served, "SELECT site FROM site WHERE own = 1");
    let own = lives.iter().map(|site| (site.clone(), MOST_OF_HUB));
    let claimed = peers.iter().flat_map(|peer| {
        let known = claims(&open(peer.file()));
        peer.sites.iter().map(move |site| {
            let site = hexadecimal(*site);
            let seq = known.get(&site).copied().unwrap_or_default();
            (site, seq)
        })
    });
    let honest: BTreeMap<String, u64> = own.chain(claimed).collect();
    for file in peers.iter().map(Peer::file).chain([&*hub.file()]) {
        let file_is = file.display();
        let database = open(file);
        assert_eq!(strings(&database, "SELECT id FROM shard"), [shard().to_string()], "{file_is}");
        let foreign = "SELECT id FROM row WHERE id NOT LIKE 'phrase-%' AND id NOT LIKE 'peer-%'";
        assert_eq!(strings(&database, foreign), [""; 0], "{file_is}");
        for site in strings(&database, "SELECT site FROM site") {
            assert!(honest.contains_key(&site), "{file_is} knows site {site}");
        }
        let names = "SELECT name FROM site WHERE name <> 'hub' AND name NOT LIKE 'peer-%'";
        assert_eq!(strings(&database, names), [""; 0], "{file_is}");
        for (site, seq) in claims(&database) {
            let made = honest.get(&site).copied().unwrap_or_default();
            assert!(seq <= made, "{file_is} claims {seq} changes of site {site}, which has made {made}");
        }
        let frontier = "SELECT hex(site) FROM version_entry WHERE part = 3";
        assert_eq!(strings(&database, frontier), [""; 0], "{file_is}");
    }
}

/// Sites and their numbers that the shard's version vector covers, or that were received beyond it.
fn claims(database: &Connection) -> BTreeMap<String, u64> {
    let sql = "SELECT lower(hex(site)), max(seq) FROM version_entry WHERE part IN (1, 2) GROUP BY site";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn strings(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn open(file: &Path) -> Connection {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn hexadecimal(site: SiteId) -> String {
    format!("{:016x}", site.number())
}

/// More changes than the hub makes under one site, and fewer than clients claim of it.
const MOST_OF_HUB: u64 = 1 << 30;
