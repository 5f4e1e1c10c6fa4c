//! What the checks need from the inside of this stage.

/// Has Xen wait until its time is `deadline`, in nanoseconds. Events stay as they are.
pub fn poll_until(deadline: u64) {
    crate::xen::poll_until(deadline);
}
