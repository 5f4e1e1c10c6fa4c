//! What has been written and isn't on its disk yet, when the guest ends.
//!
//! Caches hold writes back until somebody asks for a flush. When the guest ends in order (its program returns, the toolstack wants it to
//! power off or to reboot) there is nobody left to ask. So each cache is known here, and `let_go` is what
//! [`console::ending`] calls.
//!
//! Invariant: nobody is kept alive for being known here.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::time::Duration;

use console::lock::Lock;
use console::println;
use threads::time::{Nanoseconds, after};

use crate::error::DiskError;

/// How long the end of the guest may be put off.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Something that holds writes back.
pub(crate) trait Held: Send + Sync {
    /// Writes all of it, and waits until it stays. Nobody writes after that, if what is held back has to be whole.
    ///
    /// # Errors
    /// What the disk says, and that it isn't done at the deadline.
    fn let_go(&self, deadline: Nanoseconds) -> Result<(), DiskError>;
}

static HELD: Lock<Vec<Weak<dyn Held>>> = Lock::new(Vec::new());

/// Has this let go before the guest ends.
pub(crate) fn remember(held: Weak<dyn Held>) {
    let mut all = HELD.lock();
    all.retain(|known| known.strong_count() > 0);
    all.push(held);
}

// ANCHOR: let_go
/// Has all of them let go, the last one first: a file system before the cache that it stands on.
///
/// There may be no memory any more, so none is asked for.
pub(crate) fn let_go() {
    let deadline = after(PATIENCE);
    let count = HELD.lock().len();
    for index in (0..count).rev() {
        let held: Option<Arc<dyn Held>> = HELD.lock().get(index).and_then(Weak::upgrade);
        if let Some(Err(error)) = held.map(|held| held.let_go(deadline)) {
            println!("{error}: what was not flushed is lost");
        }
    }
}
// ANCHOR_END: let_go
