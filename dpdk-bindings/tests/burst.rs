//! Is each packet in one place, and back in its pool afterwards?

mod common;

use common::{burst_of, cached_pool, eal, first_bytes, numbered, pool_of};
use dpdk::{
    BURST, Burst, Checksum, Exhausted, FrameError, Full, HEAD, Mempool, PoolConfig, PoolError,
};

#[test]
fn a_pushed_copy_reads_back() {
    let pool = pool_of("copy", 63);
    let burst = burst_of(&pool, &[b"first", b"second"]);
    assert_eq!((burst.len(), burst.packets(), burst.room()), (2, 2, BURST - 2));
    assert_eq!((burst.frame(0), burst.frame(1)), (&b"first"[..], &b"second"[..]));
    assert_eq!(burst.ingress_port(0), u16::MAX);
    assert_eq!(burst.checksum_flags(0).ip, Checksum::Unknown);
    assert!(!burst.is_segmented(0));
    assert_eq!(pool.in_use(), 2);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn an_exhausted_pool_refuses_and_loses_nothing() {
    let pool = pool_of("exhausted", 40);
    let mut first = Burst::new(eal());
    assert_eq!(pool.allocate(&mut first, 32), Ok(()));
    let mut second = Burst::new(eal());
    assert_eq!(pool.allocate(&mut second, 9), Err(Exhausted::Pool));
    assert_eq!(pool.allocate(&mut second, 8), Ok(()));
    assert_eq!(second.push_copy(&pool, b"x"), Err(Exhausted::Pool));
    assert_eq!((second.len(), pool.available()), (8, 0));
    first.clear();
    assert_eq!(second.push_copy(&pool, b"x"), Ok(()));
    drop(second);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_full_burst_refuses_and_keeps_what_it_has() {
    let pool = pool_of("full", 127);
    let mut burst = numbered(&pool);
    assert!(burst.is_full());
    assert_eq!(burst.push_copy(&pool, b"x"), Err(Exhausted::Burst));
    assert_eq!(pool.allocate(&mut burst, usize::MAX), Err(Exhausted::Burst));
    let mut other = burst_of(&pool, &[b"y"]);
    assert_eq!(other.move_to(0, &mut burst), Err(Full));
    assert_eq!(other.frame(0), b"y");
    assert_eq!(pool.in_use(), 33);
    drop((burst, other));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_frame_longer_than_the_data_room_is_refused() {
    let pool = pool_of("data_room", 63);
    let mut burst = Burst::new(eal());
    assert_eq!(burst.push_copy(&pool, &[0; 2049]), Err(Exhausted::DataRoom));
    assert_eq!(burst.push_copy(&pool, &[7; 2048]), Ok(()));
    assert_eq!(burst.frame(0).len(), 2048);
    assert_eq!((burst.len(), pool.in_use()), (1, 1));
}

#[test]
fn a_moved_packet_leaves_a_hole_that_reads_as_nothing() {
    let pool = pool_of("hole", 63);
    let mut burst = burst_of(&pool, &[b"a", b"b", b"c"]);
    burst.set_meta(1, 42);
    let mut other = Burst::new(eal());
    assert_eq!(burst.move_to(1, &mut other), Ok(()));
    assert_eq!((other.frame(0), other.meta(0)), (&b"b"[..], 42));
    assert_eq!((burst.len(), burst.packets(), burst.is_hole(1)), (3, 2, true));
    assert_eq!((burst.frame(1), burst.meta(1)), (&[][..], 0));
    assert_eq!(burst.frame_mut(1).len(), 0);
    assert_eq!(burst.resize_frame(1, 9), Err(FrameError::Hole));
    assert_eq!(burst.prepend(1, b"x"), Err(FrameError::Hole));
    assert_eq!(burst.trim_front(1, 0), Err(FrameError::Hole));
    assert_eq!((burst.ingress_port(1), burst.is_segmented(1)), (u16::MAX, false));
    burst.set_ingress_port(1, 3);
    assert_eq!(burst.move_to(1, &mut other), Ok(()), "a hole moves nothing");
    assert_eq!(other.len(), 1);
    assert_eq!(pool.in_use(), 3);
    burst.clear();
    assert_eq!((burst.len(), pool.in_use()), (0, 1));
    drop(other);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn places_beyond_the_end_are_holes() {
    let pool = pool_of("beyond", 63);
    let mut burst = burst_of(&pool, &[b"a"]);
    for i in [1, BURST - 1, BURST, usize::MAX] {
        assert!(burst.is_hole(i));
        assert_eq!(burst.frame(i), b"");
        assert_eq!(burst.resize_frame(i, 1), Err(FrameError::Hole));
        burst.set_meta(i, 1);
        assert_eq!(burst.meta(i), 0);
    }
}

#[test]
fn a_look_shows_frames_and_an_empty_head_where_there_is_none() {
    let pool = pool_of("look", 63);
    let mut burst = burst_of(&pool, &[b"first", b"second", b"third"]);
    let mut aside = Burst::new(eal());
    burst.move_to(1, &mut aside).expect("room");
    // So near to its buffer's end that no head fits in any more.
    let room = usize::from(pool.data_room());
    burst.resize_frame(2, room).expect("room");
    burst.trim_front(2, room - HEAD + 1).expect("long enough");
    let mut look = burst.look();
    assert_eq!((look.len(), look.bytes()), (3, 5));
    assert_eq!((look.length(0), &look.head(0)[..5]), (5, &b"first"[..]));
    look.head_mut(0)[0] = b'F';
    assert_eq!(look.burst().frame(0), b"First");
    for i in [1, 2, 3, BURST - 1] {
        assert_eq!(look.length(i), 0, "place {i}");
        look.head_mut(i)[0] = 1;
    }
    assert_eq!(look.burst().frame(2).len(), HEAD - 1);
    assert_eq!(look.burst().frame(2)[0], 0, "what is not shown is not written");
}

#[test]
fn compacting_keeps_order_and_meta() {
    let pool = pool_of("compact", 63);
    let mut burst = numbered(&pool);
    let mut even = Burst::new(eal());
    for i in (0..BURST).step_by(2) {
        burst.move_to(i, &mut even).expect("room");
    }
    burst.compact();
    assert_eq!((burst.len(), burst.packets()), (16, 16));
    let odd: Vec<u8> = (0..32).filter(|i| i % 2 == 1).collect();
    assert_eq!(first_bytes(&burst), odd);
    assert!((0..16).all(|i| burst.meta(i) == 1001 + 2 * i as u64));
    drop(even);
    assert_eq!(pool.in_use(), 16);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn every_way_to_empty_a_small_burst_returns_all_packets() {
    let pool = pool_of("every_way", 63);
    for moved in 0_u32..16 {
        for compact in [false, true] {
            let mut burst = burst_of(&pool, &[b"0", b"1", b"2", b"3"]);
            let mut other = Burst::new(eal());
            for i in (0..4).filter(|i| moved & (1 << i) != 0) {
                burst.move_to(i, &mut other).expect("room");
            }
            if compact {
                burst.compact();
            }
            assert_eq!(burst.packets() + other.packets(), 4);
            burst.clear();
            assert_eq!(pool.in_use(), moved.count_ones());
            drop(other);
            assert_eq!(pool.in_use(), 0);
        }
    }
}

#[test]
fn new_places_start_without_meta() {
    let pool = pool_of("fresh_meta", 63);
    let mut burst = numbered(&pool);
    burst.clear();
    pool.allocate(&mut burst, BURST).expect("packets");
    assert!((0..BURST).all(|i| burst.meta(i) == 0));
}

#[test]
fn a_frame_grows_with_zeros_and_shrinks() {
    let pool = pool_of("resize", 63);
    let mut burst = burst_of(&pool, &[b"abcdef"]);
    burst.resize_frame(0, 3).expect("shorter");
    burst.resize_frame(0, 6).expect("longer");
    assert_eq!(burst.frame(0), b"abc\0\0\0", "what was cut off does not come back");
    assert_eq!(burst.resize_frame(0, 2049), Err(FrameError::NoTailroom));
    assert_eq!(burst.resize_frame(0, usize::MAX), Err(FrameError::NoTailroom));
    assert_eq!(burst.frame(0), b"abc\0\0\0");
    burst.resize_frame(0, 2048).expect("the whole room");
}

#[test]
fn a_header_goes_on_and_off_the_front() {
    let pool = pool_of("prepend", 63);
    let mut burst = burst_of(&pool, &[b"payload"]);
    burst.prepend(0, b"header:").expect("headroom");
    assert_eq!(burst.frame(0), b"header:payload");
    burst.trim_front(0, 10).expect("long enough");
    assert_eq!(burst.frame(0), b"load");
    assert_eq!(burst.trim_front(0, 5), Err(FrameError::TooShort));
    assert_eq!(burst.prepend(0, &[0; 132]), Err(FrameError::NoHeadroom));
    burst.prepend(0, &[1; 131]).expect("the whole headroom");
    assert_eq!(burst.frame(0).len(), 135);
}

#[test]
fn bursts_move_between_threads() {
    let pool = cached_pool("burst_send", 255);
    let burst = numbered(&pool);
    std::thread::spawn(move || {
        let _guard = eal().register_thread().expect("an id is left");
        drop(burst);
    })
    .join()
    .expect("the thread ends well");
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_pool_dropped_before_its_packets_lives_until_they_are_back() {
    let pool = pool_of("outlived", 63);
    let mut burst = burst_of(&pool, &[b"still here"]);
    drop(pool);
    assert_eq!(burst.frame(0), b"still here");
    burst.frame_mut(0)[0] = b'S';
    burst.clear();
    drop(burst);
}

#[test]
fn bad_pools_are_refused_by_name() {
    let good =
        PoolConfig { name: "good".into(), count: 63, cache: 0, data_room: 2048, socket: None };
    let try_with = |change: &dyn Fn(&mut PoolConfig)| {
        let mut config = good.clone();
        change(&mut config);
        Mempool::new(eal(), &config).err()
    };
    let longest = Mempool::NAME_LENGTH_MAX;
    let bad_name = |name: &str| Some(PoolError::BadName { name: name.into(), longest });
    let long = "n".repeat(longest + 1);
    assert_eq!(try_with(&|c| c.name = String::new()), bad_name(""));
    assert_eq!(try_with(&|c| c.name = "a\0b".into()), bad_name("a\0b"));
    assert_eq!(try_with(&|c| c.name.clone_from(&long)), bad_name(&long));
    let bad_size = |count, cache| Some(PoolError::BadSize { name: "good".into(), count, cache });
    assert_eq!(try_with(&|c| c.count = 0), bad_size(0, 0));
    assert_eq!(try_with(&|c| c.cache = 43), bad_size(63, 43));
    assert_eq!(try_with(&|c| (c.count, c.cache) = (4095, 513)), bad_size(4095, 513));
    let room = try_with(&|c| c.data_room = u16::MAX);
    assert!(matches!(room, Some(PoolError::BadDataRoom { largest: 65407, .. })), "{room:?}");
    // So many that their ring alone does not fit: nothing is taken from tests beside this one.
    let memory = try_with(&|c| c.count = 1 << 26);
    assert!(matches!(memory, Some(PoolError::NoMemory { .. })), "{memory:?}");
}

#[test]
fn the_longest_names_work_and_are_unique() {
    let name = "n".repeat(Mempool::NAME_LENGTH_MAX);
    let _first = pool_of(&name, 63);
    let config =
        PoolConfig { name: name.clone(), count: 63, cache: 42, data_room: 64, socket: None };
    assert_eq!(Mempool::new(eal(), &config).err(), Some(PoolError::NameTaken { name }));
}
