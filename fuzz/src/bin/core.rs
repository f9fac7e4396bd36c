//! Targets of vectr-core, and of sessions over it.
#![no_main]
#![allow(unsafe_code, reason = "the macro exports functions by name")]

use vectr_fuzz::{Target, prepare, run, seeds, stores};

libfuzzer_sys::fuzz_target!(init: prepare(TARGETS), |data: &[u8]| run(data));

const TARGETS: &[Target] = &[
    Target { name: "sql", run: stores::sql::run, seeds: seeds::statements },
    Target { name: "session", run: stores::session::run, seeds: seeds::sessions },
    Target { name: "history", run: stores::history::run, seeds: seeds::histories },
];
