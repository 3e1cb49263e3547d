//! Does the environment end only after everything made with it?
//!
//! A test of its own binary, because DPDK neither starts twice nor comes back.

mod common;

use common::arguments;
use dpdk::{Burst, Eal, EalError, Mempool, PoolConfig, PoolError, Port};

#[test]
fn what_was_made_keeps_the_environment_until_it_is_dropped() {
    let before = allowed_cpus();
    let eal = Eal::init(&arguments()).expect("EAL starts");
    assert_eq!(allowed_cpus().len(), 1, "pinned, as documented");
    assert!(eal.lcore_of_this_thread().is_some());
    assert!(!before.is_empty());

    let config = PoolConfig { name: "p".into(), count: 63, cache: 0, data_room: 512, socket: None };
    let pool = Mempool::new(&eal, &config).expect("pool");
    let mut burst = Burst::new(&eal);
    pool.allocate(&mut burst, 32).expect("packets");
    let second = Mempool::new(&eal, &PoolConfig { name: "second".into(), ..config.clone() });
    let second = second.expect("pool");
    let mut held = Burst::new(&eal);
    held.push_copy(&second, b"x").expect("a packet");
    drop(second);
    let again = PoolConfig { name: "second".into(), ..config };
    let taken = Some(PoolError::NameTaken { name: "second".into() });
    assert_eq!(Mempool::new(&eal, &again).err(), taken, "a packet is out");
    held.clear();
    assert_eq!(Mempool::new(&eal, &again).err(), taken, "something could hold a packet");
    burst.clear();
    drop((burst, held));
    drop(Mempool::new(&eal, &again).expect("freed with the last burst"));
    let mut burst = Burst::new(&eal);
    pool.allocate(&mut burst, 32).expect("packets");

    let port = Port::attach(&eal, "net_null_last").expect("device");
    let started =
        port.configure(&common::plain(), std::slice::from_ref(&pool)).expect("ok").start();
    let (started, rx, tx) = started.expect("started");
    let (producer, consumer) = dpdk::ring(&eal, "last", 64, None).expect("ring");

    drop((eal, port, pool, started, tx));
    assert_eq!(burst.frame(0), &[0_u8; 0]);
    burst.resize_frame(0, 4).expect("the memory is still there");
    assert_eq!(burst.frame(0), &[0; 4]);
    let mut producer = producer;
    assert_eq!(producer.send(&mut burst), 32);
    drop((producer, rx));
    drop(burst);
    drop(consumer);
    assert_eq!(Eal::init(&arguments()).err(), Some(EalError::AlreadyStarted));
}

/// The CPUs this thread may run on.
#[allow(clippy::expect_used, reason = "clippy sees no test in a helper")]
fn allowed_cpus() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("proc");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut cpus = Vec::new();
    for range in list.expect("the kernel tells").trim().split(',') {
        let mut ends = range.split('-').map(|end| end.parse::<usize>().expect("a number"));
        let first = ends.next().expect("one at least");
        cpus.extend(first..=ends.next().unwrap_or(first));
    }
    cpus
}
