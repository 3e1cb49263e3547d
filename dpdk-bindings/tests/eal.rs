//! Does the environment start once, and do threads come and go?

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{cached_pool, eal};
use dpdk::{Burst, Eal, EalError, RegisterError, clock, log};

#[test]
fn a_second_start_is_refused() {
    eal();
    assert_eq!(Eal::init(&common::arguments()).err(), Some(EalError::AlreadyStarted));
}

#[test]
fn without_hugepages_there_are_none() {
    assert!(!eal().has_hugepages());
}

#[test]
fn a_thread_is_an_lcore_while_its_guard_lives() {
    eal();
    std::thread::spawn(|| {
        assert_eq!(eal().lcore_of_this_thread(), None);
        let guard = eal().register_thread().expect("an id is left");
        assert_eq!(eal().lcore_of_this_thread(), Some(guard.lcore()));
        assert!(eal().lcore_count() >= 2);
        drop(guard);
        assert_eq!(eal().lcore_of_this_thread(), None);
    })
    .join()
    .expect("claims of the thread");
}

#[test]
fn a_thread_registers_once() {
    eal();
    std::thread::spawn(|| {
        let guard = eal().register_thread().expect("an id is left");
        let lcore = guard.lcore();
        assert_eq!(eal().register_thread().err(), Some(RegisterError::Already { lcore }));
        drop(guard);
        assert!(eal().register_thread().is_ok());
    })
    .join()
    .expect("claims of the thread");
}

#[test]
fn packets_in_the_cache_of_a_thread_that_ended_are_not_in_use() {
    let pool = cached_pool("ended_thread", 255);
    let of_thread = pool.clone();
    std::thread::spawn(move || {
        let _guard = eal().register_thread().expect("an id is left");
        let mut burst = Burst::new(eal());
        of_thread.allocate(&mut burst, 32).expect("packets");
        assert_eq!(of_thread.in_use(), 32);
    })
    .join()
    .expect("claims of the thread");
    assert_eq!((pool.in_use(), pool.available()), (0, 255));
}

#[test]
fn the_clock_advances_at_a_plausible_rate() {
    let before = clock::cycles();
    assert!(clock::cycles_per_second(eal()) > 100_000_000);
    assert!(clock::cycles() > before);
}

#[test]
fn what_dpdk_says_arrives_at_the_sink() {
    eal();
    let lines = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lines);
    let sink = move |text: &str| {
        counter.fetch_add(usize::from(text.contains("no_such_driver")), Ordering::SeqCst);
    };
    log::route(sink).expect("first reader");
    assert!(dpdk::Port::attach(eal(), "no_such_driver0").is_err());
    assert!(lines.load(Ordering::SeqCst) >= 1);
    assert_eq!(log::route(|_| ()), Err(log::LogError::AlreadyRouted));
}

#[test]
fn a_bad_log_pattern_is_refused() {
    assert_eq!(log::set_level_of("a\0b", log::Level::Info), Err(log::LogError::BadPattern));
    assert_eq!(log::set_level_of("lib.eal", log::Level::Error), Ok(()));
}
