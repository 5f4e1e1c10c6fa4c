//! Exercise 5d: the handshake with a backend. (Its reference is solutions/stage5-xenbus/handshake.rs.)
//!
//! [`state`](crate::state) describes the states, and what a frontend has to do in which.

use console::lab_todo;

use crate::state::{Frontend, State, Step, Style};

/// What a frontend that is in state `own` does when its backend is in state `backend`, and in which state it is afterwards: the
/// table of [`state`](crate::state).
pub fn step(own: State, backend: State, style: Style) -> Step {
    lab_todo!("5d", own, backend, style)
}

/// Does it. Returns the state that the frontend is in afterwards.
///
/// - `Wait`: nothing at all; the state is `own`.
/// - `Restart`: tell the new state.
/// - `Publish`, `Connect`, `Resume`: do it; then tell the new state, unless that is the state already.
/// - `Pause`: do it, then tell the new state.
/// - `Release`: tell `Closing`, release, tell `Closed`. It is released even if nothing can be told any more.
/// - If anything else fails, or can't be told: complain about the error, and release as above. The state is `Closed` then.
pub fn perform(frontend: &mut impl Frontend, own: State, step: Step) -> State {
    lab_todo!("5d", frontend, own, step)
}
