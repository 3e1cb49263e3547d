//! What does capsule 0.1.5 do to ordinary packets?
//!
//! Each test states one fault as it is, so that it fails when the fault is gone; the rewrite by
//! hand has none of them. One thread plays capsule's core: only it can make packets.

#![allow(clippy::expect_used, reason = "clippy sees no test in a helper")]

use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};

use capsule::Mbuf;
use capsule::packets::Packet;
use weir_core::wire::checksum::{add, pseudo_header_v4, sum};
use weir_perf_capsule::balancer::{Balancer, FRONTEND, FRONTEND_PORT, MEMBER_PORT};
use weir_perf_capsule::bytes::bytes_mut;
use weir_perf_capsule::frames::{Frames, frame};
use weir_perf_capsule::stage::Stage;
use weir_perf_capsule::{by_capsule, by_hand};

/// A client's end.
const CLIENT: (u32, u16) = (0x1400_0001, 40_000);
/// The frontend's.
const WEB: (u32, u16) = (FRONTEND, FRONTEND_PORT);
/// Where fields stand in an untagged frame.
const TOTAL_LENGTH: usize = 16;
const FRAGMENT: usize = 20;
const IPV4: usize = 14;

/// A frame, and where to send what became of it.
type Request = (Vec<u8>, Sender<Option<Vec<u8>>>);

/// Capsule's core.
static CORE: LazyLock<Mutex<Sender<Request>>> = LazyLock::new(|| {
    let (sender, requests) = channel::<Request>();
    std::thread::spawn(move || {
        let _stage = Stage::start(0, false).expect("EAL and capsule's runtime start");
        let balancer = Balancer::default();
        for (frame, reply) in requests {
            let packet = Mbuf::from_bytes(&frame).expect("a packet buffer");
            let after = by_capsule::rewrite(packet, &balancer).ok().map(|segment| {
                let mut packet = segment.reset();
                bytes_mut(&mut packet).expect("bytes").to_vec()
            });
            reply.send(after).expect("the test waits");
        }
    });
    Mutex::new(sender)
});

/// What capsule's rewrite makes of a frame; `None` if it refuses it.
fn capsule(frame: &[u8]) -> Option<Vec<u8>> {
    let (sender, receiver) = channel();
    let core = CORE.lock().expect("no test panics while it holds the core").clone();
    core.send((frame.to_vec(), sender)).expect("the core runs");
    receiver.recv().expect("the core answers")
}

/// What the rewrite by hand makes of a frame; `None` if it refuses it.
fn hand(frame: &[u8]) -> Option<Vec<u8>> {
    let mut frame = frame.to_vec();
    by_hand::rewrite(&mut frame, &Balancer::default()).map(|()| frame)
}

fn word(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// Puts the right checksum over the IPv4 header.
fn seal(frame: &mut [u8]) {
    let end = IPV4 + usize::from(frame[IPV4] & 15) * 4;
    frame[24..26].fill(0);
    let checksum = !sum(&frame[IPV4..end]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

/// Whether a receiver takes this segment: both checksums, over the bytes that are meant.
fn is_intact(frame: &[u8]) -> bool {
    let header = usize::from(frame[IPV4] & 15) * 4;
    let packet = &frame[IPV4..IPV4 + usize::from(word(frame, TOTAL_LENGTH))];
    let (head, segment) = packet.split_at(header);
    let address = |at: usize| u32::from(word(head, at)) << 16 | u32::from(word(head, at + 2));
    let length = u16::try_from(segment.len()).expect("a short segment");
    let pseudo = pseudo_header_v4(address(12), address(16), 6, length);
    sum(head) == 0xffff && add(sum(segment), pseudo) == 0xffff
}

#[test]
fn both_rewrites_agree_on_whole_segments_without_padding() {
    for length in [60, 64, 1514] {
        let frames = Frames::new(length);
        for number in 0..frames.count() {
            let before = frames.whole_of(number);
            assert!(is_intact(&before));
            let after = hand(&before).expect("rewritten by hand");
            assert!(is_intact(&after));
            assert_eq!(capsule(&before), Some(after));
        }
    }
}

/// Ethernet frames have 60 bytes at least (IEEE 802.3, without the check sequence), and a bare
/// acknowledgement needs 54: the rest is padding, which capsule takes for payload.
#[test]
fn fault_padding_of_a_bare_acknowledgement_becomes_six_bytes_of_payload() {
    let mut before = frame(CLIENT, WEB, 54);
    before.extend([0; 6]);
    assert_eq!(word(&before, TOTAL_LENGTH), 40);

    let after = capsule(&before).expect("rewritten by capsule");
    assert_eq!(word(&after, TOTAL_LENGTH), 46);
    assert!(is_intact(&after), "the receiver has no way to tell");

    let after = hand(&before).expect("rewritten by hand");
    assert_eq!(word(&after, TOTAL_LENGTH), 40);
    assert!(is_intact(&after));
}

/// A header with options is longer than 20 bytes (RFC 791 §3.1); capsule takes every header for
/// one of 20 bytes, and so the options for a TCP header.
#[test]
fn fault_options_of_ipv4_are_overwritten() {
    let options = [0x94, 4, 0, 0, 1, 1, 1, 0];
    let mut before = frame(CLIENT, WEB, 64);
    before.splice(34..34, options);
    before[IPV4] = 0x47;
    before[TOTAL_LENGTH + 1] += 8;
    seal(&mut before);
    assert!(is_intact(&before));

    let after = capsule(&before).expect("rewritten by capsule");
    assert_ne!(after[34..42], options);
    assert_eq!(after[36..38], MEMBER_PORT.to_be_bytes(), "the member's port is in the options");
    assert_eq!(word(&after, 44), FRONTEND_PORT, "and not in the TCP header");
    assert!(!is_intact(&after));

    let after = hand(&before).expect("rewritten by hand");
    assert_eq!(after[34..42], options);
    assert_eq!(word(&after, 44), MEMBER_PORT);
    assert!(is_intact(&after));
}

/// Only the first fragment has a transport header (RFC 791 §3.2); capsule finds one in all.
#[test]
fn fault_a_later_fragment_is_taken_for_tcp() {
    let mut before = frame(CLIENT, WEB, 64);
    before[FRAGMENT..FRAGMENT + 2].copy_from_slice(&185u16.to_be_bytes());
    before[34..64].fill(0x77);
    seal(&mut before);

    let after = capsule(&before).expect("rewritten by capsule");
    assert_eq!(after[36..38], MEMBER_PORT.to_be_bytes(), "data became a port");
    assert_ne!(after[50..52], [0x77; 2], "and a checksum");
    assert_eq!(after[52..64], [0x77; 12]);

    assert_eq!(hand(&before), None);
}

/// Setting a port has no update of the checksum in capsule, so that it is computed anew, over
/// whatever the bytes are by then.
#[test]
fn fault_a_corrupt_segment_leaves_with_right_checksums() {
    let mut before = frame(CLIENT, WEB, 64);
    before[63] ^= 1;
    assert!(!is_intact(&before));

    let after = capsule(&before).expect("rewritten by capsule");
    assert!(is_intact(&after), "the receiver has no way to tell");

    let after = hand(&before).expect("rewritten by hand");
    assert!(!is_intact(&after));
}

#[test]
fn without_hops_left_both_refuse() {
    let mut before = frame(CLIENT, WEB, 64);
    before[22] = 1;
    seal(&mut before);
    assert_eq!(capsule(&before), None);
    assert_eq!(hand(&before), None);
}
