//! The examples of `tests/spec/vectors.json`, for which the native and the browser module must give the same results.
//!
//! Regenerate them with
//! `cargo test --release -p vectr-delta --features zstd --test delta -- --ignored write_the_examples`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use vectr_delta::changes::{
    Compression, Flat, FlatRef, checksum, decode, encode, increment_version, join_versions, merge, newest,
    relate_versions, resolve, resolve_deltas, resolve_operations,
};
use vectr_delta::{DeltaError, Strategy};

use super::model::{Change, Delta, delta};
use crate::support::draw::Draw;

#[test]
fn the_committed_examples_are_up_to_date() {
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let written = examples();
    for (part, expected) in written.as_object().unwrap() {
        let (expected, found) = (expected.as_array().unwrap(), committed[part].as_array().unwrap());
        assert_eq!(found.len(), expected.len(), "{part}");
        for (expected, found) in expected.iter().zip(found) {
            let mut found = found.clone();
            // Another version of the library may compress differently; it must only decompress to the same bytes.
            if let Some(bytes) = found.get_mut("bytes").and_then(Value::as_object_mut) {
                let packed = bytes.remove("zstd").expect("written with the feature");
                assert_zstd_reads(&unhex(packed.as_str().unwrap()), found["checksum"].as_str().unwrap());
            }
            assert_eq!(&found, expected, "{part}");
        }
    }
}

fn assert_zstd_reads(bytes: &[u8], checksum: &str) {
    let is_packed = bytes[46] != 0 || bytes[47] != 0;
    if is_packed && !cfg!(any(feature = "zstd", feature = "zstd-decode")) {
        assert_eq!(decode(bytes).unwrap_err().code(), "ERR_CODEC");
        return;
    }
    let decoded = decode(bytes).unwrap();
    assert_eq!((decoded.checksum.as_str(), decoded.compression), (checksum, Compression::Zstd));
}

#[cfg(feature = "zstd")]
#[test]
#[ignore = "writes a file of the repository"]
fn write_the_examples() {
    let mut written = examples();
    for example in written["deltas"].as_array_mut().unwrap() {
        let flat = read(&example["flat"]);
        let packed = encode(flat.borrowed(), Compression::Zstd, None).unwrap();
        example["bytes"]["zstd"] = hex(&packed).into();
    }
    let parts = written.as_object().unwrap().iter().map(|(part, list)| {
        let lines: Vec<String> =
            list.as_array().unwrap().iter().map(|example| format!("    {example}")).collect();
        format!("  \"{part}\": [\n{}\n  ]", lines.join(",\n"))
    });
    let text = format!("{{\n{}\n}}\n", parts.collect::<Vec<_>>().join(",\n"));
    std::fs::create_dir_all(path().parent().unwrap()).unwrap();
    std::fs::write(path(), text).unwrap();
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/spec/vectors.json")
}

fn examples() -> Value {
    let drawn = |seed, most| delta(&mut Draw::new(seed), most);
    let long = Delta::of(drawn(21, 9).changes.iter().cycle().take(60).cloned().collect());
    let deltas = [Delta::of(Vec::new()), drawn(3, 9), drawn(15, 9), long];
    let pairs =
        [(drawn(31, 7), drawn(32, 7)), (drawn(33, 7), drawn(34, 7)), (drawn(35, 7), Delta::of(Vec::new()))];
    json!({
        "deltas": deltas.iter().map(delta_example).collect::<Vec<_>>(),
        "resolved": pairs.iter().map(|(local, remote)| resolved_example(local, remote)).collect::<Vec<_>>(),
        "operations": pairs.iter().map(|(local, remote)| operations_example(local, remote)).collect::<Vec<_>>(),
        "badBytes": bad_bytes(),
        "badFlats": bad_flats(),
        "versions": versions(),
    })
}

fn delta_example(delta: &Delta) -> Value {
    let flat = delta.flat();
    let bytes = [Compression::None, Compression::Msgpack, Compression::Lz4].map(|compression| {
        let bytes = encode(flat.borrowed(), compression, None).unwrap();
        (compression.name().to_owned(), Value::from(hex(&bytes)))
    });
    let unpacked = encode(flat.borrowed(), Compression::None, None).unwrap();
    json!({
        "flat": write(flat.borrowed()),
        "checksum": checksum(flat.borrowed()).unwrap(),
        "bytes": Map::from_iter(bytes),
        "decoded": write(decode(&unpacked).unwrap().borrowed()),
        "newest": newest(&flat.numbers, &flat.text).unwrap(),
    })
}

fn resolved_example(local: &Delta, remote: &Delta) -> Value {
    let [one, two] = [(local, Compression::None), (remote, Compression::Lz4)]
        .map(|(delta, compression)| encode(delta.flat().borrowed(), compression, None).unwrap());
    let both = both(local, remote).flat();
    let strategies = Strategy::ALL.map(|strategy| {
        let verdict = resolve(both.borrowed(), strategy).unwrap();
        let bytes = resolve_deltas(&one, &two, strategy).unwrap();
        let answer = json!({ "groups": verdict.groups, "ids": verdict.ids, "bytes": hex(&bytes) });
        (strategy.name().to_owned(), answer)
    });
    json!({
        "local": hex(&one),
        "remote": hex(&two),
        "flat": write(both.borrowed()),
        "strategies": Map::from_iter(strategies),
        "merged": write(merge(both.borrowed()).unwrap().borrowed()),
    })
}

fn operations_example(local: &Delta, remote: &Delta) -> Value {
    let flat = both(local, remote).flat();
    let count = local.changes.len() as u32;
    let strategies = Strategy::ALL.map(|strategy| {
        let answer = match resolve_operations(flat.borrowed(), count, strategy) {
            Ok(resolution) => {
                json!({ "groups": resolution.groups, "merged": write(resolution.merged.borrowed()) })
            }
            Err(error) => json!({ "code": error.code() }),
        };
        (strategy.name().to_owned(), answer)
    });
    json!({ "flat": write(flat.borrowed()), "localCount": count, "strategies": Map::from_iter(strategies) })
}

fn both(local: &Delta, remote: &Delta) -> Delta {
    Delta::of([local.changes.as_slice(), &remote.changes].concat())
}

fn bad_bytes() -> Vec<Value> {
    let good = encode(delta(&mut Draw::new(3), 9).flat().borrowed(), Compression::None, None).unwrap();
    let altered = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let list = [
        ("nothing", Vec::new()),
        ("another file", b"SQLite format 3\0 and more than a header of a delta has, to be sure".to_vec()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("one byte more", [&good[..], &[0]].concat()),
        ("another version", altered(4, 2)),
        ("another compression", altered(5, 2)),
        ("another timestamp", altered(6, !good[6])),
        ("another checksum", altered(14, !good[14])),
        ("another length", altered(30, !good[30])),
        ("another mode", altered(46, 1)),
        ("another header hash", altered(48, !good[48])),
        ("another column", altered(60, !good[60])),
        ("another vector", altered(good.len() - 1, !good[good.len() - 1])),
    ];
    let example = |(name, bytes): (&str, Vec<u8>)| json!({ "name": name, "input": hex(&bytes), "code": code(decode(&bytes)) });
    list.into_iter().map(example).collect()
}

fn bad_flats() -> Vec<Value> {
    let one = Change {
        id: 4,
        operation: 1,
        vector_id: "v".into(),
        vector: vec![0.5, -1.0],
        metadata: Some(r#"{"a":1}"#.into()),
        timestamp: 1_760_000_000_000_000,
        source: "laptop".into(),
        history: vec![("laptop@0000000000000001".into(), 2)],
        dot: Some(("laptop@0000000000000001".into(), 2)),
    };
    let good = Delta::of(vec![one.clone(), Change { id: 5, vector_id: "w".into(), ..one }]).flat();
    let n = good.numbers[0] as usize;
    let number = |at: usize, value: f64| {
        let mut flat = good.clone();
        flat.numbers[at] = value;
        flat
    };
    let list = [
        ("too many changes", number(0, 1e6)),
        ("more keys than lines", number(1, 90.0)),
        ("half a change id", number(6, 1.5)),
        ("a negative change id", number(6, -1.0)),
        ("an unknown operation", number(6 + n, 4.0)),
        ("a source without a key", number(6 + 3 * n, 99.0)),
        ("half a dot", number(6 + 5 * n, 0.0)),
        ("too many entries", number(6 + 6 * n, 999.0)),
        ("too many dimensions", number(6 + 7 * n, 65_537.0)),
        ("a flag of two", number(6 + 8 * n, 2.0)),
        ("a line too many", Flat { text: format!("{}\n", good.text), ..good.clone() }),
        (
            "a shard id without end",
            Flat { text: format!("{}{}", "x".repeat(257), good.text), ..good.clone() },
        ),
        ("a control character", Flat { text: format!("\u{7}{}", good.text), ..good.clone() }),
        ("no vectors", Flat { vectors: Vec::new(), ..good.clone() }),
        (
            "not a number",
            Flat { vectors: [&f32::NAN.to_le_bytes(), &good.vectors[4..]].concat(), ..good.clone() },
        ),
        ("metadata that is no object", metadata(&good, "[1]")),
        ("metadata that is no JSON", metadata(&good, "{")),
    ];
    let example = |(name, flat): (&str, Flat)| {
        let answer = encode(flat.borrowed(), Compression::None, None);
        json!({ "name": name, "flat": write(flat.borrowed()), "code": code(answer) })
    };
    list.into_iter().map(example).collect()
}

/// The same delta with other metadata in the last change that has some.
fn metadata(good: &Flat, text: &str) -> Flat {
    let start = good.text.rfind('\n').unwrap() + 1;
    Flat { text: [&good.text[..start], text].concat(), ..good.clone() }
}

fn versions() -> Vec<Value> {
    let list: [(&str, &[f64]); 9] = [
        ("", &[0.0, 0.0]),
        ("a\na", &[1.0, 1.0, 1.0, 1.0]),
        ("a\na", &[1.0, 1.0, 1.0, 2.0]),
        ("a\na", &[1.0, 1.0, 2.0, 1.0]),
        ("a\nb", &[1.0, 1.0, 1.0, 1.0]),
        ("a\nb\nb\na", &[2.0, 2.0, 1.0, 4.0, 4.0, 1.0]),
        ("x@0000000000000001\ny@0000000000000001", &[1.0, 1.0, 5.0, 6.0]),
        ("a\nb", &[1.0, 0.0, 3.0]),
        ("a", &[1.0, 0.0, 0.5]),
    ];
    let answer = |answer: Result<Value, DeltaError>| answer.unwrap_or_else(|error| error.code().into());
    let whole = |list: Vec<f64>| list.into_iter().map(|number| number as i64).collect::<Value>();
    let example = |(text, numbers): (&str, &[f64])| {
        json!({
            "text": text,
            "numbers": numbers,
            "relation": answer(relate_versions(text, numbers).map(Value::from)),
            "joined": answer(join_versions(text, numbers).map(whole)),
            "incremented": answer(increment_version(text, numbers).map(whole)),
        })
    };
    list.into_iter().map(example).collect()
}

fn code<T>(answer: Result<T, DeltaError>) -> &'static str {
    answer.map(|_| ()).unwrap_err().code()
}

fn write(flat: FlatRef<'_>) -> Value {
    let whole = |number: &f64| if number.fract() == 0.0 { json!(*number as i64) } else { json!(number) };
    json!({
        "numbers": flat.numbers.iter().map(whole).collect::<Value>(),
        "text": flat.text,
        "vectors": hex(flat.vectors),
    })
}

#[cfg(feature = "zstd")]
fn read(flat: &Value) -> Flat {
    Flat {
        numbers: flat["numbers"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect(),
        text: flat["text"].as_str().unwrap().to_owned(),
        vectors: unhex(flat["vectors"].as_str().unwrap()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
