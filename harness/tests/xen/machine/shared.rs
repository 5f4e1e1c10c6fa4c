//! The machines that most tests share: one test at a time has one, and as many are started as are wanted at a time.
//!
//! A good part of such a test is waiting, for a guest's timers or for dom0, so there may be more machines than processors.

use super::start;
use harness::machine::Machine;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Condvar, Mutex, PoisonError};

/// How many machines there may be, whatever the number of tests at a time. One comes to take more than a gigabyte.
const LIMIT: usize = 3;

struct Pool {
    free: Vec<Shared>,
    /// How many there are, free or not.
    made: usize,
}

struct Shared {
    machine: Machine,
    /// The files that were put into its dom0 for whoever has it.
    files: BTreeSet<String>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), made: 0 });
static RETURNED: Condvar = Condvar::new();

/// A machine, until dropped. All of them die with the process.
pub struct Lease(Option<Shared>);

/// Gets a machine; waits where all are in use.
pub fn shared() -> Lease {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(free) = pool.free.pop() {
            return Lease(Some(free));
        }
        if pool.made < LIMIT {
            break;
        }
        pool = RETURNED.wait(pool).unwrap_or_else(PoisonError::into_inner);
    }
    pool.made += 1;
    drop(pool);
    // It counts as made until it is there or will never be.
    let mut lease = Lease(None);
    lease.0 = Some(Shared { machine: start(), files: BTreeSet::new() });
    lease
}

impl Lease {
    /// Sees to it that a file is in dom0. Its content is only asked for the first time.
    pub fn put_once(&mut self, path: &str, content: impl FnOnce() -> Vec<u8>) {
        let shared = self.0.as_mut().expect("a lease holds a machine until it is dropped");
        if shared.files.insert(path.to_owned()) {
            shared.machine.agent().put(path, &content()).unwrap();
        }
    }
}

impl Deref for Lease {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0.as_ref().expect("a lease holds a machine until it is dropped").machine
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        match self.0.take() {
            Some(shared) => pool.free.push(shared),
            None => pool.made -= 1,
        }
        RETURNED.notify_one();
    }
}
