//! Would a restart bring back what is in force?

use weir_core::api::Finding;

use super::finding::{fine, problem};

/// Judges why the configuration in force is not stored, if it is not.
pub(super) fn judge(failure: Option<&str>) -> Vec<Finding> {
    vec![match failure {
        None => fine("persistence", "the configuration in force is stored"),
        Some(why) => problem(
            "persistence",
            format!("the configuration in force is not stored: {why}"),
            "Make the state directory writable and free some space; weir tries again by itself. \
             Until then a restart goes back to the configuration stored before.",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem};

    use super::super::finding::tests::assert_found;
    use super::*;

    #[test]
    fn what_is_not_stored_is_a_problem_with_its_cause() {
        assert_found("stored", &judge(None), &[(Ok, "is stored")]);
        assert_found("full", &judge(Some("the disk is full")), &[(Problem, "the disk is full")]);
    }
}
