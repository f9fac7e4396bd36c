//! Targets of vectr-transport.
#![no_main]
#![allow(unsafe_code, reason = "the macro exports functions by name")]

use vectr_fuzz::{Target, decoders, prepare, run, seeds};

libfuzzer_sys::fuzz_target!(init: prepare(TARGETS), |data: &[u8]| run(data));

const TARGETS: &[Target] = &[
    Target { name: "records", run: decoders::records::run, seeds: seeds::records },
    Target { name: "streams", run: decoders::streams::run, seeds: seeds::streams },
];
