//! What has to be done before the guest ends in order.
//!
//! Stage 1 has nothing to do. A later stage that holds something back, as a disk's cache does, puts a function of its own here.
//! [`power::off`](crate::power::off), [`power::reboot`](crate::power::reboot) and [`power::fail`](crate::power::fail) call them,
//! so whoever ends the guest, in whatever stage, needs to know nothing of it. A crash calls none: nobody knows what still holds then.
//!
//! Invariant: a function is called on the thread that ends the guest, with no lock held.

use crate::lock::Lock;

/// Most functions that there may be.
const MOST: usize = 8;

/// Something to be done before the end.
pub type Function = fn();

static FUNCTIONS: Lock<[Option<Function>; MOST]> = Lock::new([None; MOST]);

/// Has this done before the guest ends. What was registered last is done first.
///
/// Two threads may end the guest at the same time, so it may be called twice at a time: each call returns when what is to be
/// done is done, whoever has done it. It must return in any case, so whatever it waits for has a deadline.
///
/// # Panics
/// If there are too many: each stage needs one.
pub fn before_end(run: Function) {
    let mut functions = FUNCTIONS.lock();
    let Some(place) = functions.iter_mut().find(|place| place.is_none()) else {
        panic!("more than {MOST} functions are to run before the end");
    };
    *place = Some(run);
}

/// Does all of it.
pub(crate) fn run() {
    let functions = *FUNCTIONS.lock();
    for function in functions.iter().rev().flatten() {
        function();
    }
}
