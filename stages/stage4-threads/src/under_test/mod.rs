//! Given functions through which the checks watch an exercise more closely than its ordinary callers do.
//!
//! They exist in check runs only. Invariant: each adds circumstances, never behaviour of its own.

pub mod switch;
