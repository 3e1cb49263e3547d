//! Does outbound SNAT do what a slow and obvious model of it does, whatever happens?
//!
//! Not here: the model (`golden::snat`).

use golden::random::at_random;
use golden::snat::{Setting, Trial, steps};
use proptest::prelude::*;

proptest! {
    #![proptest_config(at_random(64))]

    #[test]
    fn every_port_every_flow_and_every_reply_is_where_the_model_has_it(
        setting in Setting::any(),
        steps in steps(80),
    ) {
        let mut trial = Trial::new(&setting);
        let mut judged = steps.iter().try_for_each(|step| trial.take(step));
        if judged.is_ok() {
            judged = trial.finish();
        }
        if let Err(sentence) = judged {
            let transcript = trial.transcript();
            return Err(TestCaseError::fail(format!("{sentence}\n\n{transcript}\n")));
        }
    }
}
