//! Targets of vectr-delta.
#![no_main]
#![allow(unsafe_code, reason = "the macro exports functions by name")]

use vectr_fuzz::{Target, decoders, prepare, run, seeds};

libfuzzer_sys::fuzz_target!(init: prepare(TARGETS), |data: &[u8]| run(data));

const TARGETS: &[Target] = &[
    Target { name: "frame", run: decoders::frame::run, seeds: seeds::frames },
    Target { name: "message", run: decoders::message::run, seeds: seeds::messages },
    Target { name: "batch", run: decoders::batch::run, seeds: seeds::batches },
    Target { name: "delta", run: decoders::delta::run, seeds: seeds::deltas },
    Target { name: "flat", run: decoders::flat::run, seeds: seeds::flats },
];
