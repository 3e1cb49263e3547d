//! Does outbound SNAT do what a slow and obvious model of it does, whatever happens?
//!
//! Not here: the model (`golden::snat`).
#![allow(clippy::panic, reason = "a test may fail")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use golden::random::at_random;
use golden::snat::{Setting, Trial, steps};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// What so many inputs are sure to bring about.
const REACHED: [&str; 8] = [
    "a flow without a port",
    "a port for several flows of an endpoint",
    "further ports",
    "the end of a closing connection",
    "the end of a half-open connection",
    "the end of a reset connection",
    "the end of a UDP mapping",
    "the end of an established connection",
];
const CASES: u32 = 40;

#[test]
fn every_port_every_flow_and_every_reply_is_where_the_model_has_it() {
    let config = at_random(CASES);
    let is_enough = config.cases >= CASES;
    let reached = RefCell::new(BTreeMap::new());
    let inputs = (Setting::any(), steps(80));
    let result = TestRunner::new(config).run(&inputs, |(setting, steps)| {
        let mut trial = Trial::new(&setting);
        let judged = steps.iter().try_for_each(|step| trial.take(step));
        let judged = judged.and_then(|()| trial.finish());
        for what in trial.model().reached() {
            *reached.borrow_mut().entry(*what).or_insert(0) += 1;
        }
        judged.map_err(|sentence| {
            let transcript = trial.transcript();
            TestCaseError::fail(format!("{sentence}\n\n{transcript}\n"))
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let reached = reached.into_inner();
    let is_missing = |what: &&&str| !reached.contains_key(**what);
    let missing: Vec<_> = REACHED.iter().filter(is_missing).collect();
    assert!(!is_enough || missing.is_empty(), "never seen: {missing:?}; seen: {reached:?}");
}
