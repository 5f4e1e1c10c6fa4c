//! Exceptions whose handlers may return.
//!
//! Stage 1's table ends every exception in a report. This stage's has room for a handler each, and for instructions
//! that are expected to fail ([`fixup`]). What neither of them takes care of is reported as before, by the same report.
//!
//! Invariant: a handler runs with events masked, on the stack of the code that it interrupted, and nothing of that code
//! is lost but what the handler changes in the frame.

use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use console::bedrock::{TrapFrame, VECTORS};

use crate::fixup;

/// Takes care of an exception. It may change the registers that the interrupted code goes on with. `false`: this one
/// is no business of its own.
pub type Handler = fn(&mut TrapFrame) -> bool;

static HANDLERS: [AtomicPtr<()>; VECTORS] = [const { AtomicPtr::new(ptr::null_mut()) }; VECTORS];

/// Has `handler` take care of an exception from now on, on every vCPU.
///
/// # Panics
/// If there is no such exception: `vector` must be less than 32.
pub fn set_handler(vector: u8, handler: Handler) {
    HANDLERS[usize::from(vector)].store(handler as *mut (), Ordering::Release);
}

/// Has an exception be reported again, and the guest ended.
///
/// # Panics
/// As [`set_handler`].
pub fn remove_handler(vector: u8) {
    HANDLERS[usize::from(vector)].store(ptr::null_mut(), Ordering::Release);
}

/// Whether somebody took care of this exception.
pub(crate) fn handle(frame: &mut TrapFrame) -> bool {
    handler(frame.vector).is_some_and(|handler| handler(frame)) || fixup::apply(frame)
}

fn handler(vector: u64) -> Option<Handler> {
    let pointer = HANDLERS.get(vector as usize)?.load(Ordering::Acquire);
    if pointer.is_null() {
        return None;
    }
    // SAFETY: only `set_handler` stores a pointer that isn't null, and it was made of such a function.
    Some(unsafe { mem::transmute::<*mut (), Handler>(pointer) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_may_change_where_to_go_on_and_decline() {
        fn skip(frame: &mut TrapFrame) -> bool {
            frame.rip += 2;
            frame.rax != 0
        }
        let mut frame = TrapFrame { vector: 6, rip: 100, rax: 1, ..TrapFrame::default() };
        assert!(!handle(&mut frame));
        set_handler(6, skip);
        assert!(handle(&mut frame));
        assert_eq!(frame.rip, 102);
        frame.rax = 0;
        assert!(!handle(&mut frame));
        remove_handler(6);
        assert!(!handle(&mut frame));
        assert!(!handle(&mut TrapFrame { vector: 99, ..TrapFrame::default() }));
    }
}
