//! Which entry has the longest prefix that an address lies in?
//!
//! ```text
//!   bits 31..16      15..8        7..0
//!   root[65536] ──► node[256] ──► node[256]      a cell is a value or a pointer to a node
//! ```
//!
//! A trie with strides of 16, 8 and 8 bits over 32-bit keys, with prefixes expanded into cells
//! when it is built: a look-up reads one to three cells and branches on the pointer mark only.

/// The mark of a cell that points to a node.
const POINTER: u32 = 1 << 31;
const NODE: usize = 256;

/// A map from prefixes to values below 2^31 - 1. Built whole, then only read.
#[derive(Clone, Debug)]
pub struct Lpm {
    cells: Box<[u32]>,
}

/// Cells hold the value plus one, so that zero means nothing.
impl Lpm {
    /// The map of `entries`: network bits in host order, prefix length 0 to 32, value. Of equal
    /// prefixes the later counts. Entries with a longer length or a value of 2^31 - 1 or more
    /// are left out (debug builds assert).
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (u32, u8, u32)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Shorter prefixes first: longer ones then overwrite their cells.
        entries.sort_by_key(|(_, length, _)| *length);
        let mut cells = vec![0; 1 << 16];
        for (network, length, value) in entries {
            debug_assert!(length <= 32 && value < POINTER - 1, "{length} {value}");
            if length <= 32 && value < POINTER - 1 {
                insert(&mut cells, network, length, value + 1);
            }
        }
        Self { cells: cells.into() }
    }

    /// The value of the longest prefix that `address` lies in.
    #[must_use]
    #[inline]
    pub fn get(&self, address: u32) -> Option<u32> {
        let mut cell = self.cells[(address >> 16) as usize];
        if cell & POINTER != 0 {
            cell = self.cells[child(cell) + (address >> 8 & 0xff) as usize];
            if cell & POINTER != 0 {
                cell = self.cells[child(cell) + (address & 0xff) as usize];
            }
        }
        cell.checked_sub(1)
    }
}

impl Default for Lpm {
    fn default() -> Self {
        Self::build([])
    }
}

const fn child(cell: u32) -> usize {
    (cell & !POINTER) as usize
}

/// Writes `cell` over the range of one prefix, adding nodes on the way.
fn insert(cells: &mut Vec<u32>, network: u32, length: u8, cell: u32) {
    let length = u32::from(length);
    if length <= 16 {
        let first = (network >> 16) as usize;
        cells[first..first + (1 << (16 - length))].fill(cell);
        return;
    }
    let middle = node_under(cells, (network >> 16) as usize);
    let at = middle + (network >> 8 & 0xff) as usize;
    if length <= 24 {
        cells[at..at + (1 << (24 - length))].fill(cell);
        return;
    }
    let last = node_under(cells, at) + (network & 0xff) as usize;
    cells[last..last + (1 << (32 - length))].fill(cell);
}

/// The node that the cell at `at` points to; made from the cell's value when there is none.
fn node_under(cells: &mut Vec<u32>, at: usize) -> usize {
    if cells[at] & POINTER != 0 {
        return child(cells[at]);
    }
    let node = cells.len();
    let inherited = cells[at];
    cells.extend(std::iter::repeat_n(inherited, NODE));
    #[allow(clippy::cast_possible_truncation, reason = "far fewer nodes than 2^31 / 256")]
    {
        cells[at] = POINTER | node as u32;
    }
    node
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(length: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
    }

    proptest! {
        #[test]
        fn it_answers_like_a_linear_search(
            entries in prop::collection::vec((any::<u32>(), 0u8..=32, 0u32..1000), 0..40),
            low_bits in prop::collection::vec(any::<u32>(), 20),
        ) {
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(bits, length, value)| (bits & 0x0003_ffff & mask(length), length, value))
                .collect();
            let table = Lpm::build(entries.clone());
            let probes = low_bits.iter().map(|bits| bits & 0x0003_ffff);
            for address in probes.chain(entries.iter().map(|entry| entry.0)) {
                let mut best = None;
                for (network, length, value) in &entries {
                    let longer = best.is_none_or(|(longest, _)| *length >= longest);
                    if address & mask(*length) == *network && longer {
                        best = Some((*length, *value));
                    }
                }
                prop_assert_eq!(table.get(address), best.map(|(_, value)| value));
            }
        }
    }
}
