//! Do packets cross from thread to thread, each exactly once?

mod common;

use common::{burst_of, cached_pool, eal, first_bytes, numbered, pool_of};
use dpdk::{BURST, Burst, RING_NAME_LENGTH_MAX, RingError, ring};

#[test]
fn packets_arrive_in_order_with_their_meta() {
    let pool = pool_of("ring_order", 63);
    let (mut producer, mut consumer) = ring(eal(), "order", 64, None).expect("ring");
    assert_eq!((producer.capacity(), consumer.capacity()), (63, 63));
    let mut burst = numbered(&pool);
    burst.set_ingress_port(5, 9);
    assert_eq!(producer.send(&mut burst), BURST);
    assert!(burst.is_empty());
    assert_eq!((producer.len(), consumer.len(), consumer.is_empty()), (32, 32, false));
    let mut received = Burst::new(eal());
    assert_eq!(consumer.receive(&mut received), BURST);
    assert_eq!(first_bytes(&received), (0..32).collect::<Vec<u8>>());
    assert!((0..BURST).all(|i| received.meta(i) == 1000 + i as u64));
    assert_eq!(received.ingress_port(5), 9);
    assert!(producer.is_empty());
    drop(received);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_does_not_fit_stays_with_the_sender_in_order() {
    let pool = pool_of("ring_rest", 127);
    let (mut producer, mut consumer) = ring(eal(), "rest", 16, None).expect("ring");
    let mut burst = numbered(&pool);
    assert_eq!(producer.send(&mut burst), 15);
    assert_eq!(first_bytes(&burst), (15..32).collect::<Vec<u8>>());
    assert_eq!(burst.meta(0), 1015);
    assert_eq!(producer.send(&mut burst), 0);
    let mut received = Burst::new(eal());
    assert_eq!(consumer.receive(&mut received), 15);
    assert_eq!(producer.send(&mut burst), 15);
    assert_eq!(consumer.receive(&mut received), 15);
    assert_eq!(first_bytes(&received), (0..30).collect::<Vec<u8>>());
    drop((burst, received));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_receiver_takes_no_more_than_it_has_room_for() {
    let pool = pool_of("ring_room", 127);
    let (mut producer, mut consumer) = ring(eal(), "room", 64, None).expect("ring");
    producer.send(&mut numbered(&pool));
    let mut received = burst_of(&pool, &[&b"x"[..]; 30]);
    assert_eq!(consumer.receive(&mut received), 2);
    assert_eq!(consumer.receive(&mut received), 0);
    assert_eq!(consumer.len(), 30);
    drop(received);
    drop((producer, consumer));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn holes_are_not_sent() {
    let pool = pool_of("ring_holes", 63);
    let (mut producer, mut consumer) = ring(eal(), "holes", 16, None).expect("ring");
    let mut burst = burst_of(&pool, &[b"a", b"b", b"c"]);
    let mut aside = Burst::new(eal());
    burst.move_to(0, &mut aside).expect("room");
    assert_eq!(producer.send(&mut burst), 2);
    let mut received = Burst::new(eal());
    consumer.receive(&mut received);
    assert_eq!(first_bytes(&received), b"bc");
}

#[test]
fn a_ring_dropped_while_full_returns_its_packets() {
    let pool = pool_of("ring_full", 127);
    let (mut producer, consumer) = ring(eal(), "full", 64, None).expect("ring");
    assert_eq!(producer.send(&mut numbered(&pool)), 32);
    assert_eq!(producer.send(&mut numbered(&pool)), 31);
    assert_eq!(pool.in_use(), 63);
    drop(consumer);
    assert_eq!(pool.in_use(), 63, "the other end is still there");
    drop(producer);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_dropped_ring_gives_its_name_back() {
    let first = ring(eal(), "again", 16, None).expect("ring");
    let taken = RingError::NameTaken { name: "again".into() };
    assert_eq!(ring(eal(), "again", 16, None).err(), Some(taken));
    drop(first);
    assert!(ring(eal(), "again", 16, None).is_ok());
}

#[test]
fn a_hundred_thousand_packets_cross_once_each() {
    const PACKETS: u64 = 100_000;
    let pool = cached_pool("ring_threads", 1023);
    let (mut producer, mut consumer) = ring(eal(), "threads", 256, None).expect("ring");
    let of_sender = pool.clone();
    let sender = std::thread::spawn(move || {
        let _guard = eal().register_thread().expect("an id is left");
        let mut burst = Burst::new(eal());
        let mut next = 0;
        while next < PACKETS || !burst.is_empty() {
            while next < PACKETS && burst.push_copy(&of_sender, &next.to_be_bytes()).is_ok() {
                burst.set_meta(burst.len() - 1, next);
                next += 1;
            }
            if producer.send(&mut burst) == 0 {
                std::thread::yield_now();
            }
        }
    });
    let receiver = std::thread::spawn(move || {
        let _guard = eal().register_thread().expect("an id is left");
        let mut burst = Burst::new(eal());
        let mut expected = 0;
        while expected < PACKETS {
            if consumer.receive(&mut burst) == 0 {
                std::thread::yield_now();
            }
            for (i, frame) in burst.frames() {
                assert_eq!(frame, expected.to_be_bytes());
                assert_eq!(burst.meta(i), expected);
                expected += 1;
            }
            burst.clear();
        }
    });
    sender.join().expect("sender");
    receiver.join().expect("receiver");
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn bad_rings_are_refused_by_name() {
    let longest = RING_NAME_LENGTH_MAX;
    for name in [String::new(), "a\0b".to_owned(), "n".repeat(longest + 1)] {
        let refused = ring(eal(), &name, 16, None).err();
        assert_eq!(refused, Some(RingError::BadName { name, longest }));
    }
    assert!(ring(eal(), &"n".repeat(longest), 16, None).is_ok());
    for size in [0, 1, 3, 100, 1 << 31] {
        let refused = ring(eal(), "size", size, None).err();
        assert_eq!(refused, Some(RingError::BadSize { name: "size".into(), size }));
    }
    let refused = ring(eal(), "huge", 1 << 30, None).err();
    assert_eq!(refused, Some(RingError::NoMemory { name: "huge".into(), size: 1 << 30 }));
}
