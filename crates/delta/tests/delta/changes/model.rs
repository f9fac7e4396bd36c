//! Changes as an application has them, and their conversion to the flat form and back.

use vectr_delta::changes::{Flat, FlatRef};

use crate::support::draw::Draw;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) id: u64,
    /// 1 insert, 2 update, 3 delete.
    pub(crate) operation: u8,
    pub(crate) vector_id: String,
    pub(crate) vector: Vec<f32>,
    pub(crate) metadata: Option<String>,
    pub(crate) timestamp: u64,
    pub(crate) source: String,
    pub(crate) history: Vec<(String, u64)>,
    pub(crate) dot: Option<(String, u64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    pub(crate) shard: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) changes: Vec<Change>,
}

impl Change {
    pub(crate) fn is_live(&self) -> bool {
        self.operation != 3
    }

    /// Its dot without names: sites as digits.
    pub(crate) fn number(&self) -> (String, u64) {
        let own = || {
            let entries = self.history.iter().filter(|(key, _)| meaning(key) == meaning(&self.source));
            entries.map(|(_, seq)| *seq).max().unwrap()
        };
        let (key, seq) = self.dot.clone().unwrap_or_else(|| (self.source.clone(), own()));
        (meaning(&key), seq)
    }

    pub(crate) fn has_seen(&self, (key, seq): &(String, u64)) -> bool {
        self.history.iter().any(|(known, number)| meaning(known) == *key && number >= seq)
    }
}

/// A text with the order of keys, equal for all names of a site.
pub(crate) fn meaning(key: &str) -> String {
    let digits = key.rsplit('@').next().unwrap();
    let is_site = digits.len() == 16 && digits.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    if is_site { format!("0{digits}") } else { format!("1{key}") }
}

impl Delta {
    pub(crate) fn of(changes: Vec<Change>) -> Self {
        Self { shard: "notes".into(), from: 1, to: 9, changes }
    }

    /// The flat form, its keys in the order of first use.
    pub(crate) fn flat(&self) -> Flat {
        self.flat_with(Vec::new())
    }

    /// The flat form with these keys first, used or not.
    pub(crate) fn flat_with(&self, mut keys: Vec<String>) -> Flat {
        let mut index = |key: &str| {
            let found = keys.iter().position(|known| known == key);
            found.unwrap_or_else(|| {
                keys.push(key.to_owned());
                keys.len() - 1
            }) as f64
        };
        let list = &self.changes;
        let mut columns: Vec<f64> = Vec::new();
        columns.extend(list.iter().map(|change| change.id as f64));
        columns.extend(list.iter().map(|change| f64::from(change.operation)));
        columns.extend(list.iter().map(|change| change.timestamp as f64));
        columns.extend(list.iter().map(|change| index(&change.source)));
        columns.extend(list.iter().map(|change| change.dot.as_ref().map_or(-1.0, |(key, _)| index(key))));
        columns.extend(list.iter().map(|change| change.dot.as_ref().map_or(0.0, |(_, seq)| *seq as f64)));
        columns.extend(list.iter().map(|change| change.history.len() as f64));
        columns.extend(list.iter().map(|change| change.vector.len() as f64));
        columns.extend(list.iter().map(|change| f64::from(u8::from(change.metadata.is_some()))));
        let entries: Vec<&(String, u64)> = list.iter().flat_map(|change| &change.history).collect();
        columns.extend(entries.iter().map(|(key, _)| index(key)));
        columns.extend(entries.iter().map(|(_, seq)| *seq as f64));
        let counts = [list.len() as f64, keys.len() as f64, entries.len() as f64];
        let header = [self.from as f64, self.to as f64, 0.0];
        let ids = list.iter().map(|change| &change.vector_id);
        let metadata = list.iter().filter_map(|change| change.metadata.as_ref());
        let lines: Vec<&str> =
            [&self.shard].into_iter().chain(ids).chain(&keys).chain(metadata).map(String::as_str).collect();
        Flat {
            numbers: [&counts[..], &header, &columns].concat(),
            text: lines.join("\n"),
            vectors: list.iter().flat_map(|change| &change.vector).flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    pub(crate) fn from_flat(flat: FlatRef<'_>) -> Self {
        let [n, keys, c, from, to, _] = *flat.numbers.first_chunk().unwrap();
        let (n, keys, c) = (n as usize, keys as usize, c as usize);
        let lines: Vec<&str> = flat.text.split('\n').collect();
        let key = |index: f64| lines[1 + n + index as usize].to_owned();
        let mut metadata = lines[1 + n + keys..].iter();
        let column = |column: usize, index: usize| flat.numbers[6 + column * n + index];
        let context = &flat.numbers[6 + 9 * n..];
        let (mut entry, mut component) = (0, 0);
        let changes = (0..n).map(|index| {
            let (entries, dimensions) = (column(6, index) as usize, column(7, index) as usize);
            let history =
                (entry..entry + entries).map(|at| (key(context[at]), context[c + at] as u64)).collect();
            let vector = flat.vectors[component * 4..(component + dimensions) * 4].chunks_exact(4);
            entry += entries;
            component += dimensions;
            Change {
                id: column(0, index) as u64,
                operation: column(1, index) as u8,
                vector_id: lines[1 + index].to_owned(),
                vector: vector.map(|quad| f32::from_le_bytes(quad.try_into().unwrap())).collect(),
                metadata: (column(8, index) == 1.0).then(|| (*metadata.next().unwrap()).to_owned()),
                timestamp: column(2, index) as u64,
                source: key(column(3, index)),
                history,
                dot: (column(4, index) >= 0.0).then(|| (key(column(4, index)), column(5, index) as u64)),
            }
        });
        Self { shard: lines[0].to_owned(), from: from as u64, to: to as u64, changes: changes.collect() }
    }

    /// As decoded from bytes: histories in the order of keys.
    pub(crate) fn arranged(mut self) -> Self {
        for change in &mut self.changes {
            change.history.sort_by_key(|(key, _)| (meaning(key), key.clone()));
        }
        self
    }
}

/// A random valid change of vector `id`.
pub(crate) fn change(draw: &mut Draw, id: u64, dimensions: usize) -> Change {
    let operation = draw.below(3) as u8 + 1;
    let is_live = operation != 3;
    let source = key(draw);
    let mut history: Vec<(String, u64)> = Vec::new();
    for _ in 0..draw.below(4) {
        let entry = (key(draw), draw.below(5));
        if history.iter().all(|(known, _)| *known != entry.0) {
            history.push(entry);
        }
    }
    let own = history.iter().any(|(key, seq)| meaning(key) == meaning(&source) && *seq > 0);
    let vector = if is_live { draw.payload(dimensions).components().collect() } else { Vec::new() };
    Change {
        id: draw.below(50),
        operation,
        vector_id: format!("vector-{id}"),
        vector,
        metadata: (draw.coin() && is_live).then(|| draw.metadata().as_str().to_owned()),
        timestamp: draw.below(6) + 1,
        source,
        history,
        dot: (!own || draw.coin()).then(|| (key(draw), draw.below(4) + 1)),
    }
}

/// Changes of a few vectors, so that there are conflicts.
pub(crate) fn delta(draw: &mut Draw, most: u64) -> Delta {
    let count = draw.below(most + 1);
    let changes = (0..count).map(|_| {
        let (id, dimensions) = (draw.below(3), if draw.below(8) == 0 { 3 } else { 2 });
        change(draw, id, dimensions)
    });
    Delta::of(changes.collect())
}

/// Sites with and without names, and two names of one; other texts.
fn key(draw: &mut Draw) -> String {
    let keys = [
        "a@0000000000000001",
        "b@0000000000000001",
        "b@0000000000000002",
        "0000000000000002",
        "z@ffffffffffffffff",
        "laptop",
        "é漢",
        "0",
    ];
    keys[draw.index(keys.len())].to_owned()
}
