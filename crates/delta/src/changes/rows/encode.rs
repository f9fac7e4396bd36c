use std::collections::BTreeMap;
use std::ops::Range;

use super::same_site_siblings::SameSiteSiblings;
use crate::changes::change::{Change, Changes};
use crate::changes::key::Keys;
use crate::{
    ChangeId, DeltaError, Metadata, NodeName, Payload, ShardId, Sibling, SiteId, Timestamp, VectorId,
    VectorRow,
};

/// A row as a database stores it.
#[derive(Clone, Debug)]
pub struct StoredChange {
    /// The id of the row's last change.
    pub change_id: ChangeId,
    /// The whole row.
    pub entry: VectorRow,
}

/// Encodes rows, given in the order of their change ids, as a delta without compression. The rows' contents must match
/// their hashes.
///
/// # Errors
/// `ERR_LIMIT` above 64 MiB, 65,536 changes or 2,097,152 entries of histories.
pub fn encode_rows(
    shard: &ShardId,
    rows: &[StoredChange],
    names: &BTreeMap<SiteId, NodeName>,
    timestamp: Timestamp,
) -> Result<Vec<u8>, DeltaError> {
    let mut labels = Labels { names, texts: Vec::new(), places: BTreeMap::new() };
    let mut entries = Vec::new();
    let mut list = Vec::with_capacity(rows.len());
    for StoredChange { change_id, entry } in rows {
        for sibling in entry.row.siblings() {
            let start = entries.len() as u32;
            let history = entry.row.history(sibling.dot()).unwrap_or_default();
            entries.extend(history.iter().map(|(site, seq)| (labels.site(site), seq)));
            if let Some(same_site) = SameSiteSiblings::around(&entry.row, sibling.dot().site) {
                entries.push((labels.text(same_site.key()), entry.row.context().seq(same_site.site)));
            }
            list.push(labels.change(*change_id, &entry.id, sibling, start..entries.len() as u32));
        }
    }
    let changes = Changes {
        shard,
        from: rows.first().map_or(0, |row| row.change_id),
        to: rows.last().map_or(0, |row| row.change_id),
        timestamp: timestamp.as_micros(),
        keys: Keys::default(),
        entries,
        list,
        omits_vectors: false,
        was_canonical: false,
    };
    let texts: Vec<&str> = labels.texts.iter().map(String::as_str).collect();
    changes.canonicalize(&texts)?.to_bytes()
}

/// The keys of a delta, without duplicates.
struct Labels<'n> {
    names: &'n BTreeMap<SiteId, NodeName>,
    texts: Vec<String>,
    places: BTreeMap<SiteId, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    /// The key of the site.
    site: u32,
    /// The key of the source of its changes.
    source: u32,
}

impl Labels<'_> {
    fn text(&mut self, text: String) -> u32 {
        self.texts.push(text);
        self.texts.len() as u32 - 1
    }

    fn place(&mut self, site: SiteId) -> Place {
        if let Some(place) = self.places.get(&site) {
            return *place;
        }
        let place = match self.names.get(&site) {
            None => {
                let site = self.text(site.to_string());
                Place { site, source: site }
            }
            Some(name) => {
                let (name, label) = (name.to_string(), format!("{name}@{site}"));
                Place { site: self.text(label), source: self.text(name) }
            }
        };
        self.places.insert(site, place);
        place
    }

    fn site(&mut self, site: SiteId) -> u32 {
        self.place(site).site
    }

    fn change<'a>(
        &mut self,
        id: ChangeId,
        vector_id: &'a VectorId,
        sibling: &'a Sibling,
        entries: Range<u32>,
    ) -> Change<'a> {
        let place = self.place(sibling.dot().site);
        let payload = sibling.payload();
        Change {
            vector_id,
            id,
            timestamp: sibling.timestamp().as_micros(),
            operation: sibling.operation(),
            source: place.source,
            dot: Some((place.site, sibling.dot().seq)),
            entries,
            dimensions: payload.map_or(0, |payload| payload.dimensions().into()),
            vector: payload.map_or(&[], |payload| payload.vector()),
            metadata: payload.and_then(Payload::metadata).map(Metadata::as_str),
        }
    }
}
