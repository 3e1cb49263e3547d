//! Do a device and the owner function agree on who gets a packet?
//!
//! A device spreads packets by RETA[hash]. It has been given the owner function's key; its table
//! is read, and set where it is another than that of the owner function, since drivers fill it as
//! they like. What a device refuses costs throughput only: packets that arrive at another worker
//! are handed to their owner.
//!
//! Not here: the function itself (`weir_core::policy::steer`).

use weir_core::policy::{INDIRECTION_ENTRIES, OwnerFunction, RSS_KEY_BYTES};

use super::OpenPort;

/// What follows from any disagreement.
const CONSEQUENCE: &str = "packets that arrive at another worker than their owner's are handed over, which costs \
     throughput and nothing else";

/// The owner function that all ports can agree with, and each port brought in line with it; says
/// where that cannot be done. Nothing to do for ports with one queue.
pub(super) fn agree(
    ports: &[OpenPort],
    key: &[u8; RSS_KEY_BYTES],
    workers: usize,
) -> OwnerFunction {
    let spreading = || ports.iter().filter(|open| open.port.taken().rss.is_some());
    let shortest = shortest(spreading().map(|open| open.info.reta_size));
    let workers = u8::try_from(workers).unwrap_or(u8::MAX);
    let owner = OwnerFunction::with_entries(key, workers, shortest);
    spreading().for_each(|open| align(open, key, &owner));
    owner
}

/// Entries of the shortest table, of those that there are, and no more than the owner function has.
fn shortest(sizes: impl Iterator<Item = u16>) -> usize {
    let sizes = sizes.filter(|size| *size > 0).map(usize::from);
    sizes.chain([INDIRECTION_ENTRIES]).min().unwrap_or(INDIRECTION_ENTRIES)
}

/// Brings one running port in line.
fn align(open: &OpenPort, key: &[u8; RSS_KEY_BYTES], owner: &OwnerFunction) {
    let OpenPort { name, info, port, .. } = open;
    let Some(rss) = &port.taken().rss else { return };
    if rss.key.as_ref().is_some_and(|taken| !taken.starts_with(key)) {
        tracing::warn!("port {name}: the device keeps a hash key of its own; {CONSEQUENCE}");
        return;
    }
    let wanted = table(owner, info.reta_size, port.taken().rx_queues);
    if wanted.is_empty() {
        tracing::warn!("port {name}: the device has no redirection table to set; {CONSEQUENCE}");
        return;
    }
    if !repeats(owner, info.reta_size) {
        tracing::warn!(
            "port {name}: a redirection table of {} entries is no power of two, and cannot follow \
             the owner function; {CONSEQUENCE}",
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

    fn owner(workers: u8, entries: usize) -> OwnerFunction {
        OwnerFunction::with_entries(&[0x6d; RSS_KEY_BYTES], workers, entries)
    }

    #[test]
    fn every_table_at_least_as_long_as_the_shortest_repeats_the_owner_function() {
        for (entries, sizes) in [(128, vec![128, 512, 2048]), (64, vec![64, 128, 512])] {
            for size in sizes {
                assert!((1..=16).all(|workers| repeats(&owner(workers, entries), size)), "{size}");
            }
        }
        let queues = table(&owner(3, 128), 512, 3);
        assert_eq!([queues[127], queues[128], queues[129]], [127 % 3, 0, 1]);
        let queues = table(&owner(3, 64), 128, 3);
        assert_eq!([queues[63], queues[64], queues[65]], [0, 0, 1]);
    }

    #[test]
    fn the_shortest_table_counts_and_none_is_no_table() {
        for (sizes, expected) in
            [(vec![], 128), (vec![512], 128), (vec![64, 512], 64), (vec![0, 512], 128)]
        {
            assert_eq!(shortest(sizes.into_iter()), expected);
        }
    }

    #[test]
    fn workers_without_a_queue_share_those_there_are() {
        let queues = table(&owner(4, 128), 128, 2);
        assert_eq!(queues[..4], [0, 1, 0, 1]);
    }
}
