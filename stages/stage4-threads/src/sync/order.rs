//! Finds deadlocks before they happen: the order in which locks are taken.
//!
//! Two threads that take the same two locks in different orders may wait for each other for ever; mostly they don't, so
//! no test shows it. Here each *place in the source* that makes a lock that is slept for (a mutex, of whatever kind, or one for
//! readers and writers) is a class, and each "taken while holding" an arrow from class to class. An arrow that closes a circle is
//! a possible deadlock, whether or not it comes to one now: a panic that names both places. So is taking a lock with events masked,
//! where waiting isn't allowed, even if it is free. (A spinlock says by itself when its own vCPU waits for it.)
//!
//! It costs: it is on after [`watch`], as `debug=locks` on a guest's command line asks, and in tests on the host. Guests are built
//! without debug assertions, so that what is checked is what is shipped. Locks of one place
//! count as one class, and their order among each other isn't looked at. Invariant: arrows are never taken back.

use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

use console::options::{Key, Values};

/// What has a guest watch from its start.
pub const KEY: Key = Key { name: "debug", values: Values::OneOf(&["locks"]) };

/// Locks that were made at the same place of the source.
#[derive(Clone, Copy)]
pub struct Class(&'static Location<'static>);

impl Class {
    /// The place of the caller.
    #[track_caller]
    pub const fn here() -> Self {
        Self(Location::caller())
    }
}

static WATCHING: AtomicBool = AtomicBool::new(cfg!(debug_assertions));

/// From here on the order of locks is looked at.
pub fn watch() {
    WATCHING.store(true, Ordering::Relaxed);
}

fn watching() -> bool {
    WATCHING.load(Ordering::Relaxed)
}

/// How many locks a thread can hold so that all of them are looked at.
pub const MOST_HELD: usize = 8;

/// The classes that a thread holds.
#[derive(Clone, Copy, Default)]
pub struct Held([Option<&'static Location<'static>>; MOST_HELD]);

/// A lock of this class is about to be waited for.
///
/// # Panics
/// If that may be a deadlock one day, or if waiting isn't allowed here.
pub(super) fn about_to_lock(class: &Class) {
    if watching() {
        checked::about_to_lock(class.0);
    }
}

/// A lock of this class was taken.
pub(super) fn locked(class: &Class) {
    if watching() {
        checked::with_held(|Held(held)| {
            if let Some(free) = held.iter_mut().find(|held| held.is_none()) {
                *free = Some(class.0);
            }
        });
    }
}

/// A lock of this class was given back.
pub(super) fn unlocked(class: &Class) {
    if watching() {
        checked::with_held(|Held(held)| {
            if let Some(one) = held.iter_mut().rev().find(|held| held.is_some_and(|held| same(held, class.0))) {
                *one = None;
            }
        });
    }
}

fn same(one: &Location<'_>, other: &Location<'_>) -> bool {
    core::ptr::eq(one, other) || one == other
}

#[cfg(not(loom))]
mod checked {
    use super::{Held, same};
    use console::lock::Lock;
    use core::panic::Location;

    /// Classes beyond these aren't looked at.
    const MOST: usize = 64;

    struct Graph {
        classes: [Option<&'static Location<'static>>; MOST],
        /// For each class, those that were taken while it was held, a bit each.
        inside: [u64; MOST],
    }

    static GRAPH: Lock<Graph> = Lock::new(Graph { classes: [None; MOST], inside: [0; MOST] });

    impl Graph {
        fn index(&mut self, class: &'static Location<'static>) -> Option<usize> {
            let index = self.classes.iter().position(|known| known.is_none_or(|known| same(known, class)))?;
            self.classes[index] = Some(class);
            Some(index)
        }

        /// Whether arrows lead from one class to the other.
        fn leads(&self, from: usize, to: usize) -> bool {
            let mut reached = 1_u64 << from;
            loop {
                let further = (0..MOST).filter(|class| reached >> class & 1 == 1);
                let all = further.fold(reached, |all, class| all | self.inside[class]);
                if all == reached {
                    return reached >> to & 1 == 1;
                }
                reached = all;
            }
        }
    }

    pub(super) fn about_to_lock(class: &'static Location<'static>) {
        #[cfg(guest)]
        crate::thread::assert_may_wait();
        let held = with_held(|held| *held);
        for outer in held.0.into_iter().flatten().filter(|outer| !same(outer, class)) {
            let circle = {
                let mut graph = GRAPH.lock();
                let (Some(from), Some(to)) = (graph.index(outer), graph.index(class)) else { continue };
                let circle = graph.leads(to, from);
                if !circle {
                    graph.inside[from] |= 1 << to;
                }
                circle
            };
            assert!(
                !circle,
                "lock order: the lock made at {class} is wanted while the one made at {outer} is held; elsewhere it is \
                 the other way round"
            );
        }
    }

    #[cfg(guest)]
    pub(super) fn with_held<R>(change: impl FnOnce(&mut Held) -> R) -> R {
        crate::thread::sleeper::with_held(change)
    }

    #[cfg(not(guest))]
    pub(super) fn with_held<R>(change: impl FnOnce(&mut Held) -> R) -> R {
        use core::cell::RefCell;
        std::thread_local! { static HELD: RefCell<Held> = RefCell::default() }
        HELD.with(|held| change(&mut held.borrow_mut()))
    }
}

/// loom's models know nothing of places.
#[cfg(loom)]
mod checked {
    use super::Held;

    pub(super) fn about_to_lock(_: &'static core::panic::Location<'static>) {}

    pub(super) fn with_held<R>(change: impl FnOnce(&mut Held) -> R) -> R {
        change(&mut Held::default())
    }
}
