//! What compression takes off the sections of a delta, and what it costs: real embeddings, plain and with their bytes
//! shuffled, and typical columns. Then the times of a delta of 1,000 changes as a whole.

use std::time::Instant;

use vectr_benches::{BenchError, Embeddings, median, millis};
use vectr_delta::Strategy;
use vectr_delta::changes::{Compression, Flat, FlatRef, decode, encode, resolve, resolve_deltas};

const CHANGES: usize = 1_000;
const ROUNDS: usize = 9;

fn main() -> Result<(), BenchError> {
    let embeddings = Embeddings::load()?;
    let local = delta(&embeddings, 0);
    let remote = delta(&embeddings, 1);
    let plain = encode(local.borrowed(), Compression::None, None)?;
    let columns_length = u32::from_le_bytes([plain[30], plain[31], plain[32], plain[33]]) as usize;
    let (columns, vectors) = plain[56..].split_at(columns_length);
    println!(
        "| section | bytes | codec | packed | pack MB/s | unpack MB/s |\n| --- | ---: | --- | ---: | ---: | ---: |"
    );
    for (name, raw) in [
        ("columns", columns.to_vec()),
        ("vectors", vectors.to_vec()),
        ("vectors, shuffled", shuffle(vectors)),
    ] {
        row(name, "lz4", &raw, lz4_flex::block::compress, |packed, length| {
            lz4_flex::block::decompress(packed, length).unwrap_or_default()
        });
        for level in [1, 3, 9] {
            row(
                name,
                &format!("zstd {level}"),
                &raw,
                |raw| zstd::bulk::compress(raw, level).unwrap_or_default(),
                |packed, length| zstd::bulk::decompress(packed, length).unwrap_or_default(),
            );
        }
    }
    println!("\n{CHANGES} changes of 384 dimensions, milliseconds:");
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let bytes = encode(local.borrowed(), compression, None)?;
        let other = encode(remote.borrowed(), compression, None)?;
        println!(
            "{:>7}: {} bytes, encode {:.2}, decode {:.2}, resolve_deltas {:.2} (last-write-wins), {:.2} (merge)",
            compression.name(),
            bytes.len(),
            time(|| encode(local.borrowed(), compression, None).map(|bytes| bytes.len())),
            time(|| decode(&bytes).map(|decoded| decoded.numbers.len())),
            time(|| resolve_deltas(&bytes, &other, Strategy::LastWriteWins).map(|bytes| bytes.len())),
            time(|| resolve_deltas(&bytes, &other, Strategy::Merge).map(|bytes| bytes.len())),
        );
    }
    let both = join(&local, &remote);
    let bare = FlatRef { vectors: &[], ..both.borrowed() };
    println!(
        "resolve without vectors: {:.3}",
        time(|| resolve(bare, Strategy::Merge).map(|verdict| verdict.ids.len()))
    );
    Ok(())
}

/// A delta of changes of the same vectors on each side, made without knowledge of the other side's.
fn delta(embeddings: &Embeddings, side: usize) -> Flat {
    let n = CHANGES;
    let mut numbers: Vec<f64> = vec![n as f64, 2.0, n as f64, 1.0, n as f64, 0.0];
    let column = |of: &dyn Fn(usize) -> f64| (0..n).map(of).collect::<Vec<f64>>();
    let seqs = column(&|index| (index + 1) as f64);
    let stamp = |index: usize| 1_760_000_000_000_000.0 + (index * 1_734 + side) as f64;
    let columns = [
        column(&|index| (index + 1) as f64),
        column(&|_| 1.0),
        column(&stamp),
        column(&|_| 0.0),
        column(&|_| 1.0),
        seqs.clone(),
        column(&|_| 1.0),
        column(&|_| 384.0),
        column(&|_| 1.0),
        column(&|_| 1.0),
        seqs,
    ];
    numbers.extend(columns.concat());
    let mut lines = vec!["notes".to_owned()];
    lines.extend((0..n).map(|index| format!("0199c1a0-7{index:03x}-7000-8000-{:012x}", index * 7_919)));
    let node = ["laptop", "phone"][side];
    lines.extend([node.to_owned(), format!("{node}@{:016x}", 0x9e37_79b9_7f4a_7c15_u64 >> side)]);
    lines.extend(
        (0..n).map(|index| format!(r#"{{"title":"note {index}","tags":["a","b"],"page":{}}}"#, index % 40)),
    );
    let vectors = (0..n).flat_map(|index| embeddings.vector(index + side * 2_000)).collect();
    Flat { numbers, text: lines.join("\n"), vectors }
}

/// Both sides in one flat form: the keys of the second stand behind those of the first.
fn join(local: &Flat, remote: &Flat) -> Flat {
    let n = CHANGES;
    let sides = [local, remote];
    let mut numbers = vec![2.0 * n as f64, 4.0, 2.0 * n as f64, 1.0, n as f64, 0.0];
    for column in 0..11 {
        for (side, flat) in sides.iter().enumerate() {
            let shift = if matches!(column, 3 | 4 | 9) { 2.0 * side as f64 } else { 0.0 };
            numbers.extend(
                flat.numbers[6 + column * n..6 + (column + 1) * n].iter().map(|number| number + shift),
            );
        }
    }
    let lines = sides.map(|flat| flat.text.split('\n').collect::<Vec<&str>>());
    let part = |range: std::ops::Range<usize>| {
        lines.iter().flat_map(|lines| lines[range.clone()].to_vec()).collect::<Vec<&str>>()
    };
    let text =
        [vec!["notes"], part(1..n + 1), part(n + 1..n + 3), part(n + 3..2 * n + 3)].concat().join("\n");
    Flat { numbers, text, vectors: [local.vectors.as_slice(), &remote.vectors].concat() }
}

fn shuffle(bytes: &[u8]) -> Vec<u8> {
    (0..4).flat_map(|place| bytes.iter().skip(place).step_by(4).copied()).collect()
}

fn row(
    name: &str,
    codec: &str,
    raw: &[u8],
    pack: impl Fn(&[u8]) -> Vec<u8>,
    unpack: impl Fn(&[u8], usize) -> Vec<u8>,
) {
    let packed = pack(raw);
    assert_eq!(unpack(&packed, raw.len()), raw, "{codec} gives back what it took");
    let speed = |millis: f64| raw.len() as f64 / 1e3 / millis;
    let packing = speed(time(|| Ok::<_, BenchError>(pack(raw).len())));
    let unpacking = speed(time(|| Ok::<_, BenchError>(unpack(&packed, raw.len()).len())));
    let share = 100.0 * packed.len() as f64 / raw.len() as f64;
    println!("| {name} | {} | {codec} | {share:.1} % | {packing:.0} | {unpacking:.0} |", raw.len());
}

/// Milliseconds, the median of some rounds after one that does not count.
fn time<T, E>(work: impl Fn() -> Result<T, E>) -> f64 {
    let round = || {
        let start = Instant::now();
        let done = std::hint::black_box(work().is_ok());
        assert!(done, "the work can be done");
        start.elapsed()
    };
    round();
    millis(median(&(0..ROUNDS).map(|_| round()).collect::<Vec<_>>()))
}
