//! How threads begin and end.
//!
//! A thread costs two allocations: its control block and its stack. What it is given, the closure, and what it leaves behind, the
//! result, lie at the top of that stack, so that nothing can fail once it runs. The stack stays until the last reference to the
//! thread is gone.
//!
//! Invariant: what lies there is used by the thread until it has left its result, and then by whoever has the handle. A result that
//! nobody takes is dropped by the thread itself, or with the handle: never by whoever happens to free the stack, perhaps an idle
//! thread, as dropping may take its time and wait.

use core::fmt;
use core::mem;
use core::sync::atomic::Ordering;

use console::bedrock::cpu as vcpu;
use memory::stack::{Stack, StackError};

use super::{Control, Name, Properties, Thread, list};
use crate::context;
use crate::cpu_set::CpuSet;
use crate::ready::LEVELS;
use crate::scheduler::{self, reap};

/// Bytes of a stack, unless asked for otherwise.
pub const DEFAULT_STACK: usize = 64 * 1024;
/// Fewer are not enough for an interrupt with all of its registers, and a report.
const LEAST_STACK: usize = 16 * 1024;
/// The priority of a thread, unless asked for otherwise.
pub const DEFAULT_PRIORITY: u8 = LEVELS as u8 / 2;

/// Why a thread could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// A stack of so many bytes makes no sense: none at all, or less than what the thread is given needs.
    StackTooSmall(usize),
    /// There is no stack of that size.
    Stack(StackError),
    /// There is no memory for the rest.
    OutOfMemory,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StackTooSmall(bytes) => write!(f, "a stack of {bytes} bytes is too small"),
            Self::Stack(error) => write!(f, "no stack for the thread: {error}"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

impl core::error::Error for SpawnError {}

/// Makes a thread with the defaults.
///
/// # Errors
/// If there is no memory for it.
pub fn spawn<F, T>(run: F) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(run)
}

/// What a thread is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    name: Name,
    stack: usize,
    priority: u8,
    affinity: CpuSet,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A thread with the defaults.
    pub fn new() -> Self {
        Self { name: Name::new("thread"), stack: DEFAULT_STACK, priority: DEFAULT_PRIORITY, affinity: CpuSet::ALL }
    }

    /// With this name, of which 31 bytes are kept.
    pub fn name(self, name: &str) -> Self {
        Self { name: Name::new(name), ..self }
    }

    /// With a stack of so many bytes; at least 16 KiB are given.
    pub fn stack_size(self, bytes: usize) -> Self {
        Self { stack: bytes, ..self }
    }

    /// With this priority: 0 is the lowest, 15 the highest.
    pub fn priority(self, priority: u8) -> Self {
        Self { priority: priority.min(LEVELS as u8 - 1), ..self }
    }

    /// To run on these vCPUs only.
    pub fn affinity(self, affinity: CpuSet) -> Self {
        Self { affinity, ..self }
    }

    /// Makes the thread.
    ///
    /// # Errors
    /// If its stack is to be 0 bytes, or smaller than what it is given, or if there is no memory.
    pub fn spawn<F, T>(self, run: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        reap();
        if self.stack == 0 {
            return Err(SpawnError::StackTooSmall(0));
        }
        let stack = Stack::new(self.stack.max(LEAST_STACK)).map_err(SpawnError::Stack)?;
        let payload =
            Payload::<F, T>::place(stack.range().start, stack.top()).ok_or(SpawnError::StackTooSmall(self.stack))?;
        let properties = Properties { name: self.name, level: self.priority, affinity: self.affinity, idle: false };
        let thread = Thread::allocate(properties, Some(stack)).ok_or(SpawnError::OutOfMemory)?;
        if !list::add(&thread) {
            return Err(SpawnError::OutOfMemory);
        }
        // SAFETY: `place` found room for it on a stack that nobody uses yet.
        unsafe { payload.write(Payload::Closure(run)) };
        let top = payload as u64 & !15;
        // SAFETY: below the payload there is room, which `place` has seen to, and the stack is nobody else's.
        let rsp = unsafe { context::prepare(top, begin::<F, T>, payload as u64) };
        // SAFETY: the thread isn't anybody's yet.
        unsafe { *thread.control().rsp.get() = rsp };
        let own = thread.clone().into_raw();
        // SAFETY: the reference was made just now, and is given back when the thread is reaped.
        scheduler::make_ready(unsafe { own.as_ref() });
        scheduler::after_wake();
        Ok(JoinHandle { thread, payload: payload.cast(), take: Payload::<F, T>::take_result })
    }
}

/// The right to wait for a thread's end and to have its result. Dropped, the thread goes on by itself, and drops its result when it
/// ends; if it has ended, the result is dropped with this.
pub struct JoinHandle<T> {
    thread: Thread,
    payload: *mut u8,
    take: unsafe fn(*mut u8) -> Option<T>,
}

// SAFETY: the result goes from the thread to whoever has the handle.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle only tells about the thread.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Waits until the thread has ended, and returns what it left.
    pub fn join(self) -> T {
        self.thread.control().finished.wait();
        // SAFETY: the thread has ended, so its result is there; the handle is used up, so nobody takes it twice.
        let result = unsafe { (self.take)(self.payload) };
        drop(self);
        reap(); // so that a joined thread has left nothing behind
        match result {
            Some(result) => result,
            None => unreachable!("a thread ended without a result"),
        }
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.thread.part() {
            // SAFETY: the thread has left its result, and looks no more.
            drop(unsafe { (self.take)(self.payload) });
        }
    }
}

/// What lies at the top of a thread's stack.
enum Payload<F, T> {
    Closure(F),
    Running,
    Result(T),
}

impl<F: FnOnce() -> T, T> Payload<F, T> {
    /// The highest place on a stack where it fits, with room below for more than the first frame.
    fn place(bottom: u64, top: u64) -> Option<*mut Self> {
        let address = top.checked_sub(size_of::<Self>() as u64)? & !(align_of::<Self>().max(16) as u64 - 1);
        (address >= bottom + LEAST_STACK as u64 / 2).then_some(address as *mut Self)
    }

    /// Runs the closure and leaves the result.
    ///
    /// # Safety
    /// Nobody else may use `this` until the thread has ended.
    unsafe fn run(this: *mut Self) {
        // SAFETY: by this function's contract.
        let this = unsafe { &mut *this };
        if let Self::Closure(run) = mem::replace(this, Self::Running) {
            *this = Self::Result(run());
        }
    }

    /// Takes the result, if there is one.
    ///
    /// # Safety
    /// The thread must have left it, and the stack must be there still.
    unsafe fn take_result(this: *mut u8) -> Option<T> {
        // SAFETY: by this function's contract.
        match mem::replace(unsafe { &mut *this.cast::<Self>() }, Self::Running) {
            Self::Result(result) => Some(result),
            _ => None,
        }
    }
}

/// Where a new thread begins, events masked, on its own stack.
unsafe extern "sysv64" fn begin<F: FnOnce() -> T, T>(payload: u64) -> ! {
    scheduler::finish();
    vcpu::restore_events(false);
    // SAFETY: the payload was put there for this thread, and `JoinHandle` waits until it has ended.
    unsafe { Payload::<F, T>::run(payload as *mut Payload<F, T>) };
    if super::current().part() {
        // SAFETY: the result is there, and the handle is gone.
        drop(unsafe { Payload::<F, T>::take_result(payload as *mut u8) });
    }
    super::exit()
}

/// Makes a thread of what runs since the start, on the boot stack. It never ends.
pub(crate) fn main() -> Option<&'static Control> {
    let properties =
        Properties { name: Name::new("main"), level: DEFAULT_PRIORITY, affinity: CpuSet::ALL, idle: false };
    for_ever(Thread::allocate(properties, None)?)
}

/// Makes the thread that a vCPU runs when there is nothing else, and the top of its stack. It never ends.
pub(crate) fn idle(cpu: u32) -> Result<(&'static Control, u64), SpawnError> {
    const STACK: usize = 32 * 1024;
    let stack = Stack::new(STACK).map_err(SpawnError::Stack)?;
    let top = stack.top();
    let name = Name::new(&alloc::format!("idle {cpu}"));
    let properties = Properties { name, level: 0, affinity: CpuSet::one(cpu), idle: true };
    let thread = Thread::allocate(properties, Some(stack)).ok_or(SpawnError::OutOfMemory)?;
    let control = for_ever(thread).ok_or(SpawnError::OutOfMemory)?;
    control.cpu.store(cpu, Ordering::Relaxed);
    Ok((control, top))
}

fn for_ever(thread: Thread) -> Option<&'static Control> {
    if !list::add(&thread) {
        return None;
    }
    // SAFETY: the reference is never given back.
    Some(unsafe { thread.into_raw().as_ref() })
}

/// Makes the first vCPU's idle thread, which is switched to like any other. (Those of the others run from the start.)
pub(crate) fn first_idle() -> Result<&'static Control, SpawnError> {
    let (control, top) = idle(0)?;
    // SAFETY: the stack is nobody else's, and larger than that.
    let rsp = unsafe { context::prepare(top, idle_begin, 0) };
    // SAFETY: the thread isn't anybody's yet.
    unsafe { *control.rsp.get() = rsp };
    Ok(control)
}

unsafe extern "sysv64" fn idle_begin(_: u64) -> ! {
    scheduler::finish();
    scheduler::idle_loop()
}

const _: () = assert!(context::WORDS * size_of::<u64>() < LEAST_STACK / 2);
