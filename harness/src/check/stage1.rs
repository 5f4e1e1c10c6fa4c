//! What the checks of stage 1 have to observe.

use super::expect::{Expectation, Facts};

/// What `check` has to observe.
pub fn expected(_check: &str, _seed: u64, _facts: &Facts) -> Vec<Expectation> {
    Vec::new()
}

/// The word that the live boot prints.
pub fn live_word(_seed: u64) -> String {
    "Stardust".to_owned()
}
