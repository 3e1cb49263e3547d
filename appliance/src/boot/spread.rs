//! Do a device and the owner function agree on who gets a packet?
//!
//! A device spreads packets by RETA[hash]. It has been given the owner function's key; its table
//! is read, and set where it is another than that of the owner function, since drivers fill it as
//! they like. What a device refuses costs throughput only: packets that arrive at another worker
//! are handed to their owner.
//!
//! Not here: the function itself (`weir_core::policy::steer`).

use dpdk::{PortInfo, StartedPort};
use weir_core::policy::{OwnerFunction, RSS_KEY_BYTES};

/// What follows from any disagreement.
const CONSEQUENCE: &str = "packets that arrive at another worker than their owner's are handed over, which costs \
     throughput and nothing else";

/// Brings a running port in line with the owner function, and says where that cannot be done.
/// Nothing to do for a port with one queue.
pub(super) fn align(
    name: &str,
    port: &StartedPort,
    info: &PortInfo,
    key: &[u8; RSS_KEY_BYTES],
    workers: usize,
) {
    let Some(rss) = &port.taken().rss else { return };
    if rss.key.as_ref().is_some_and(|taken| !taken.starts_with(key)) {
        tracing::warn!("port {name}: the device keeps a hash key of its own; {CONSEQUENCE}");
        return;
    }
    let owner = OwnerFunction::new(key, u8::try_from(workers).unwrap_or(u8::MAX));
    let wanted = table(&owner, info.reta_size, port.taken().rx_queues);
    if wanted.is_empty() {
        tracing::warn!("port {name}: the device has no redirection table to set; {CONSEQUENCE}");
        return;
    }
    if !repeats(&owner, info.reta_size) {
        tracing::warn!(
            "port {name}: {workers} workers cannot be dealt over a redirection table of {} entries \
             as the owner function deals them; {CONSEQUENCE}; a power of two of workers can",
            info.reta_size
        );
    }
    if port.reta().is_ok_and(|found| found == wanted) {
        return;
    }
    if let Err(refused) = port.set_reta(&wanted) {
        tracing::warn!(
            "port {name}: the device refuses its redirection table ({refused}); {CONSEQUENCE}"
        );
    } else if port.reta().is_ok_and(|found| found != wanted) {
        tracing::warn!("port {name}: the device ignores its redirection table; {CONSEQUENCE}");
    } else {
        tracing::info!("port {name}: redirection table of {} entries set", info.reta_size);
    }
}

/// The queue of each entry of a device's table: that of the owner, or, where there are fewer
/// queues than workers, one of those there are.
fn table(owner: &OwnerFunction, size: u16, queues: u16) -> Vec<u16> {
    let owners = owner.indirection();
    let queue = |entry: usize| u16::from(owners[entry % owners.len()].0) % queues.max(1);
    (0..usize::from(size)).map(queue).collect()
}

/// Whether the owner of a hash is that of the entry it falls on, for every hash.
fn repeats(owner: &OwnerFunction, size: u16) -> bool {
    let owners = owner.indirection();
    let size = usize::from(size).max(1);
    (0..size * owners.len())
        .all(|hash| owners[hash % owners.len()] == owners[hash % size % owners.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(workers: u8) -> OwnerFunction {
        OwnerFunction::new(&[0x6d; RSS_KEY_BYTES], workers)
    }

    #[test]
    fn a_longer_table_repeats_that_of_the_owner_function() {
        for size in [128, 512, 2048] {
            assert!((1..=16).all(|workers| repeats(&owner(workers), size)), "{size}");
        }
        let queues = table(&owner(3), 512, 3);
        assert_eq!([queues[127], queues[128], queues[129]], [127 % 3, 0, 1]);
    }

    #[test]
    fn a_shorter_table_serves_powers_of_two_only() {
        for (workers, expected) in [(1, true), (2, true), (3, false), (4, true), (6, false)] {
            assert_eq!(repeats(&owner(workers), 64), expected, "{workers} workers");
        }
    }

    #[test]
    fn workers_without_a_queue_share_those_there_are() {
        let queues = table(&owner(4), 128, 2);
        assert_eq!(queues[..4], [0, 1, 0, 1]);
    }
}
