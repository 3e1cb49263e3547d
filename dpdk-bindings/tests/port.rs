//! Do packets go through ports and come back, and does a port say what it took?

mod common;

use common::{burst_of, eal, first_bytes, numbered, plain, pool_of, started};
use dpdk::{BURST, Burst, Errno, Mempool, Port, PortConfig, PortError, Rss, Step};

fn all_rss() -> Option<Rss> {
    Some(Rss { key: Vec::new(), ip: true, tcp: true, udp: true })
}

#[test]
fn an_attached_port_is_listed_and_described() {
    let port = Port::attach(eal(), "net_null_info,size=100").expect("device");
    assert_eq!(port.name().as_deref(), Ok("net_null_info"));
    assert_eq!(Port::by_name(eal(), "net_null_info").map(|p| p.id()), Ok(port.id()));
    assert!(Port::list(eal()).iter().any(|other| other.id() == port.id()));
    let info = port.info().expect("info");
    assert_eq!(info.driver, "net_null");
    assert!(info.max_rx_queues >= 2 && info.reta_size > 0);
    assert!(info.rss_functions.iter().any(|name| name == "ipv4-tcp"), "{info:?}");
    assert!(info.max_mtu >= 1500);
    assert!(port.mac().is_ok());
}

#[test]
fn a_device_that_does_not_exist_is_named_in_the_error() {
    let name = "net_nothing0".to_owned();
    assert_eq!(Port::by_name(eal(), &name).err(), Some(PortError::NotFound { name }));
    let error = Port::attach(eal(), "net_nothing0").expect_err("no such driver");
    assert!(matches!(&error, PortError::NotAttached { devargs, .. } if devargs == "net_nothing0"));
    assert!(error.to_string().contains("net_nothing0"), "{error}");
}

#[test]
fn received_packets_go_back_when_dropped() {
    let pool = pool_of("rx_drop", 127);
    let (port, mut rx, _tx) = started("net_null_drop", &pool);
    let mut burst = Burst::new(eal());
    assert_eq!(rx.receive(&mut burst), BURST);
    assert_eq!(rx.receive(&mut burst), 0, "no room");
    assert_eq!(pool.in_use(), 32);
    assert!((0..BURST).all(|i| burst.ingress_port(i) == port.id() && burst.meta(i) == 0));
    assert!(burst.frames().all(|(_, frame)| frame.len() == 64));
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn received_packets_go_back_when_sent() {
    let pool = pool_of("rx_tx", 127);
    let (port, mut rx, mut tx) = started("net_null_forward", &pool);
    let mut burst = Burst::new(eal());
    for _ in 0..100 {
        assert_eq!(rx.receive(&mut burst), BURST);
        assert_eq!(tx.send(&mut burst), BURST);
        assert!(burst.is_empty());
    }
    assert_eq!(pool.in_use(), 0);
    let stats = port.stats().expect("stats");
    assert_eq!((stats.rx_packets, stats.tx_packets), (3200, 3200));
}

#[test]
fn an_empty_pool_means_nothing_received_and_nothing_lost() {
    let pool = pool_of("rx_exhausted", 40);
    let (_port, mut rx, _tx) = started("net_null_exhausted", &pool);
    let (mut first, mut second) = (Burst::new(eal()), Burst::new(eal()));
    assert_eq!(rx.receive(&mut first), 32);
    assert_eq!(rx.receive(&mut second), 0);
    first.clear();
    assert_eq!(rx.receive(&mut second), 32);
    second.clear();
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn edits_survive_a_loop_and_meta_does_not() {
    let pool = pool_of("loop", 127);
    let (port, mut rx, mut tx) = started("net_ring_loop", &pool);
    let mut burst = burst_of(&pool, &[b"payload", b"second"]);
    burst.prepend(0, b"head:").expect("headroom");
    burst.frame_mut(0)[0] = b'H';
    burst.resize_frame(0, 13).expect("tailroom");
    burst.set_meta(0, 7);
    burst.set_ingress_port(0, 77);
    assert_eq!(tx.send(&mut burst), 2);
    let mut back = Burst::new(eal());
    assert_eq!(rx.receive(&mut back), 2);
    assert_eq!((back.frame(0), back.frame(1)), (&b"Head:payload\0"[..], &b"second"[..]));
    assert_eq!(back.meta(0), 0);
    assert_eq!(back.ingress_port(0), port.id());
    drop(back);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_the_device_does_not_take_stays_in_order() {
    let pool = pool_of("tx_rest", 2047);
    let (_port, mut rx, mut tx) = started("net_ring_rest", &pool);
    let mut burst = Burst::new(eal());
    let mut sent = 0_u64;
    loop {
        while burst.push_copy(&pool, &sent.to_be_bytes()).is_ok() {
            sent += 1;
        }
        if tx.send(&mut burst) < BURST {
            break;
        }
    }
    assert!(!burst.is_empty(), "the ring has 1,024 slots");
    let mut received = Burst::new(eal());
    let mut expected = 0_u64;
    while rx.receive(&mut received) > 0 {
        for (_, frame) in received.frames() {
            assert_eq!(frame, expected.to_be_bytes());
            expected += 1;
        }
        received.clear();
        tx.send(&mut burst);
    }
    assert_eq!((expected, burst.len()), (sent, 0));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn holes_are_not_sent() {
    let pool = pool_of("tx_holes", 127);
    let (_port, mut rx, mut tx) = started("net_ring_holes", &pool);
    let mut burst = numbered(&pool);
    let mut aside = Burst::new(eal());
    for i in 0..30 {
        burst.move_to(i, &mut aside).expect("room");
    }
    assert_eq!(tx.send(&mut burst), 2);
    let mut received = Burst::new(eal());
    rx.receive(&mut received);
    assert_eq!(first_bytes(&received), [30, 31]);
    drop((aside, received));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn each_queue_loops_to_itself_from_its_own_thread() {
    let pool = pool_of("two_queues", 255);
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..plain() };
    let port = Port::attach(eal(), "net_ring_queues").expect("device");
    let configured = port.configure(&config, &[pool.clone(), pool.clone()]).expect("configured");
    let (_port, rx, tx) = configured.start().expect("started");
    assert_eq!(rx.iter().map(|queue| queue.index()).collect::<Vec<_>>(), [0, 1]);
    let threads = rx.into_iter().zip(tx).map(|(mut rx, mut tx)| {
        let pool = pool.clone();
        std::thread::spawn(move || {
            let _guard = eal().register_thread().expect("an id is left");
            let number = u8::try_from(rx.index()).expect("small");
            for _ in 0..1000 {
                let mut burst = burst_of(&pool, &[&[number], &[number]]);
                assert_eq!(tx.send(&mut burst), 2);
                assert_eq!(rx.receive(&mut burst), 2);
                assert_eq!(first_bytes(&burst), [number, number]);
            }
        })
    });
    let threads = threads.collect::<Vec<_>>();
    threads.into_iter().for_each(|thread| thread.join().expect("the thread ends well"));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_port_is_used_once_and_closes_after_its_last_queue() {
    let pool = pool_of("once", 127);
    let (started, mut rx, tx) = started("net_null_once", &pool);
    let again = Port::by_name(eal(), "net_null_once").expect("still there");
    let in_use = PortError::InUse { port: again.id() };
    assert_eq!(again.configure(&plain(), std::slice::from_ref(&pool)).err(), Some(in_use));
    drop((started, tx));
    let mut burst = Burst::new(eal());
    assert_eq!(rx.receive(&mut burst), BURST, "runs while a queue exists");
    burst.clear();
    drop(rx);
    assert!(Port::by_name(eal(), "net_null_once").is_err(), "closed with the last queue");
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn rss_on_a_device_without_it_is_told_as_not_taken() {
    let pool = pool_of("rss_none", 127);
    let port = Port::attach(eal(), "net_ring_rss").expect("device");
    assert_eq!(port.info().expect("info").rss_functions, [""; 0]);
    let config = PortConfig { rss: all_rss(), rx_checksum: true, promiscuous: true, ..plain() };
    let (started, _rx, _tx) =
        port.configure(&config, &[pool]).expect("configured").start().expect("started");
    let taken = started.taken();
    assert_eq!(taken.rss, None);
    assert_eq!(taken.rx_offloads, [""; 0], "no checksum offload on a ring");
    assert_eq!((taken.rx_queues, taken.tx_queues, taken.mtu), (1, 1, 1500));
    assert!(taken.promiscuous);
}

#[test]
fn rss_on_a_device_with_it_is_taken_with_key_and_table() {
    let pool = pool_of("rss_taken", 127);
    let port = Port::attach(eal(), "net_null_rss").expect("device");
    let key: Vec<u8> = (0..40).collect();
    let rss = Some(Rss { key: key.clone(), ip: false, tcp: true, udp: false });
    let config = PortConfig { rx_queues: 2, tx_queues: 2, rss, ..plain() };
    let (started, _rx, _tx) =
        port.configure(&config, &[pool]).expect("configured").start().expect("started");
    let rss = started.taken().rss.clone().expect("taken");
    assert_eq!((rss.ip, rss.tcp, rss.udp), (false, true, false));
    assert_eq!(rss.key, Some(key));
    let size = started.info().expect("info").reta_size;
    let table: Vec<u16> = (0..size).map(|i| u16::from(i % 3 == 0)).collect();
    started.set_reta(&table).expect("accepted");
    assert_eq!(started.reta(), Ok(table));
    let bad = PortError::BadReta { port: started.id(), size, queues: 2 };
    assert_eq!(started.set_reta(&vec![2; usize::from(size)]), Err(bad.clone()));
    assert_eq!(started.set_reta(&[0]), Err(bad));
}

#[test]
fn wishes_that_cannot_be_met_are_refused_before_the_device_is_touched() {
    let pool = pool_of("refused", 127);
    let port = Port::attach(eal(), "net_null_refused").expect("device");
    let refused = |change: &dyn Fn(&mut PortConfig), pools: &[Mempool]| {
        let mut config = plain();
        change(&mut config);
        port.configure(&config, pools).expect_err("out of range")
    };
    let one = std::slice::from_ref(&pool);
    assert!(matches!(refused(&|c| c.rx_queues = 0, one), PortError::BadQueueCount { rx: 0, .. }));
    let many = refused(&|c| c.tx_queues = 5000, one);
    assert!(matches!(many, PortError::BadQueueCount { tx: 5000, .. }));
    let pools = refused(&|_| (), &[]);
    assert_eq!(pools, PortError::BadPoolCount { pools: 0, rx: 1 });
    let short = refused(&|c| c.rss = Some(Rss { key: vec![1; 39], ..Rss::default() }), one);
    assert_eq!(short, PortError::BadRssKey { port: port.id(), given: 39, wanted: 40 });
    assert!(matches!(refused(&|c| c.mtu = 10, one), PortError::BadMtu { mtu: 10, .. }));
    assert!(port.configure(&plain(), one).is_ok(), "a refusal does not use the port up");
}

#[test]
fn address_mode_and_link_can_be_read_and_changed() {
    let pool = pool_of("mac", 127);
    let (port, _rx, _tx) = started("net_null_mac", &pool);
    let mac = [0x02, 0, 0, 0, 0, 7];
    port.set_mac(mac).expect("accepted");
    assert_eq!(port.mac(), Ok(mac));
    assert_eq!(port.mtu(), Ok(1500));
    let link = port.link().expect("link");
    assert!(link.up && link.full_duplex && link.speed_mbps == Some(10_000), "{link:?}");
    assert!(port.taken().promiscuous, "net_null receives everything");
    assert_eq!(port.set_promiscuous(true), Ok(()));
    assert!(matches!(
        port.set_promiscuous(false),
        Err(PortError::Refused { step: Step::Promiscuous, errno: Errno::NotSupported, .. })
    ));
}
