//! Is there room left for packets and for flows, on the right pages?

use weir_core::api::{Finding, MbufStatus, WorkerStatus};

use super::finding::{fine, problem, some_of, warning};

/// Judges packet buffers and flow tables.
pub(super) fn judge(mbufs: &MbufStatus, workers: &[WorkerStatus]) -> Vec<Finding> {
    vec![buffers(mbufs), flows(workers), pages(workers)]
}

fn buffers(mbufs: &MbufStatus) -> Finding {
    let MbufStatus { in_use, capacity } = *mbufs;
    let said = format!("{in_use} of {capacity} packet buffers are in use");
    let remedy = "Raise `appliance.limits.mbufs`. If it stays so without traffic, report a leak.";
    match in_use.saturating_mul(100) / capacity.max(1) {
        0..MBUFS_WARNING_PERCENT => fine("mbufs", said),
        MBUFS_WARNING_PERCENT..MBUFS_PROBLEM_PERCENT => warning("mbufs", said, remedy),
        _ => problem("mbufs", said, remedy),
    }
}

fn flows(workers: &[WorkerStatus]) -> Finding {
    let percent = |it: &WorkerStatus| it.flows.saturating_mul(100) / it.flows_max.max(1);
    let fullest = workers.iter().map(percent).max().unwrap_or(0);
    let full = workers.iter().filter(|it| percent(it) >= FLOWS_WARNING_PERCENT);
    let full: Vec<String> = full
        .map(|it| format!("worker {} has {} of {} flow records", it.worker, it.flows, it.flows_max))
        .collect();
    let remedy = "Raise `appliance.limits.flowsPerWorker` (a restart), lower idle timeouts, or \
                  look for a flood of SYNs.";
    match fullest {
        0..FLOWS_WARNING_PERCENT => {
            fine("flow-table", format!("the fullest flow table is at {fullest} %"))
        }
        FLOWS_WARNING_PERCENT..FLOWS_PRESSURE_PERCENT => {
            warning("flow-table", some_of(full), remedy)
        }
        _ => problem(
            "flow-table",
            format!("{}: new connections get no record at their SYN", some_of(full)),
            remedy,
        ),
    }
}

fn pages(workers: &[WorkerStatus]) -> Finding {
    let ordinary = workers.iter().filter(|it| it.flow_pages == "ordinary").map(|it| it.worker);
    let ordinary = some_of(ordinary);
    if ordinary.is_empty() {
        let kinds: std::collections::BTreeSet<&str> =
            workers.iter().map(|it| it.flow_pages.as_str()).collect();
        return fine("flow-pages", format!("flow tables stand on pages: {}", some_of(kinds)));
    }
    warning(
        "flow-pages",
        format!("on ordinary pages: the flow tables of worker {ordinary}"),
        "With many flows each packet takes longer. Write `madvise` into \
         /sys/kernel/mm/transparent_hugepage/enabled, or reserve hugepages and set \
         `appliance.limits.hugepages` to `Require`; then restart.",
    )
}

const MBUFS_WARNING_PERCENT: u64 = 90;
/// The rest is what queues hold while they wait.
const MBUFS_PROBLEM_PERCENT: u64 = 98;
const FLOWS_WARNING_PERCENT: u64 = 70;
/// From about here on, records are no longer made at the SYN (docs/limits.md).
const FLOWS_PRESSURE_PERCENT: u64 = 83;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Warning};

    use super::super::finding::tests::assert_found;
    use super::*;

    #[test]
    fn buffers_are_judged_by_their_share() {
        for (in_use, capacity, expected) in [
            (0, 0, (Ok, "0 of 0")),
            (899, 1_000, (Ok, "899 of 1000")),
            (900, 1_000, (Warning, "900")),
            (979, 1_000, (Warning, "979")),
            (980, 1_000, (Problem, "980")),
            (1_000, 1_000, (Problem, "1000")),
        ] {
            assert_found("mbufs", &[buffers(&MbufStatus { in_use, capacity })], &[expected]);
        }
    }

    #[test]
    fn the_fullest_flow_table_counts() {
        let worker = |worker, flows| WorkerStatus {
            worker,
            flows,
            flows_max: 1_000,
            ..WorkerStatus::default()
        };
        for (flows, expected) in [
            ([0, 699], (Ok, "69 %")),
            ([10, 700], (Warning, "worker 1 has 700 of 1000")),
            ([700, 829], (Warning, "worker 0 has 700 of 1000 flow records, worker 1")),
            ([0, 830], (Problem, "no record at their SYN")),
        ] {
            assert_found(
                "flows",
                &[self::flows(&[worker(0, flows[0]), worker(1, flows[1])])],
                &[expected],
            );
        }
    }

    #[test]
    fn ordinary_pages_are_a_warning_and_others_are_named() {
        let worker = |worker, pages: &str| {
            let flow_pages = pages.to_owned();
            WorkerStatus { worker, flow_pages, ..WorkerStatus::default() }
        };
        for (kinds, expected) in [
            (["1 GiB", "2 MiB"], (Ok, "1 GiB, 2 MiB")),
            (["transparent", "transparent"], (Ok, "transparent")),
            (["transparent", "ordinary"], (Warning, "of worker 1")),
        ] {
            assert_found(
                "pages",
                &[pages(&[worker(0, kinds[0]), worker(1, kinds[1])])],
                &[expected],
            );
        }
    }
}
