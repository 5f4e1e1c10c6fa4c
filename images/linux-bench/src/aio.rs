//! Linux's asynchronous input and output, `linux/aio_abi.h`: what keeps several requests of one thread under way.
//!
//! glibc has no functions for these system calls. Invariant: all that was submitted has ended when [`Context::run`] returns.

use std::ffi::{c_int, c_long};

const IO_SETUP: c_long = 206;
const IO_DESTROY: c_long = 207;
const IO_GETEVENTS: c_long = 208;
const IO_SUBMIT: c_long = 209;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// What is to be done: `IOCB_CMD_PREAD` or `IOCB_CMD_PWRITE`.
#[derive(Clone, Copy)]
#[repr(u16)]
pub enum Operation {
    Read = 0,
    Write = 1,
}

/// `struct iocb`.
#[repr(C)]
pub struct Request {
    data: u64,
    key: u32,
    rw_flags: i32,
    operation: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_file: u32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Clone, Default)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
    more: i64,
}

/// Where requests are under way.
pub struct Context {
    number: u64,
    events: Vec<Event>,
}

impl Request {
    /// What to do with a file of this descriptor, between its `offset` and this memory, which has to stay as long as it takes.
    pub fn new(operation: Operation, file: c_int, memory: &mut [u8], offset: u64) -> Self {
        Self {
            data: memory.len() as u64,
            key: 0,
            rw_flags: 0,
            operation: operation as u16,
            priority: 0,
            file: file as u32,
            buffer: memory.as_mut_ptr().expose_provenance() as u64,
            bytes: memory.len() as u64,
            offset: offset as i64,
            reserved: 0,
            flags: 0,
            event_file: 0,
        }
    }
}

impl Context {
    /// For at most so many requests at a time.
    pub fn new(most: usize) -> Option<Self> {
        let mut number = 0_u64;
        // SAFETY: writes a number.
        let refused = unsafe { syscall(IO_SETUP, most as c_long, &raw mut number) };
        (refused == 0).then(|| Self { number, events: vec![Event::default(); most] })
    }

    /// Submits all of these, and waits for all of them. Returns whether each did what it was to do.
    ///
    /// # Safety
    /// The memory of the requests must be there, and nobody else's until this returns.
    pub unsafe fn run(&mut self, requests: &mut [Request]) -> bool {
        let mut places: Vec<*mut Request> = requests.iter_mut().map(|request| &raw mut *request).collect();
        let count = places.len().min(self.events.len()) as c_long;
        // SAFETY: the requests are there, and by this function's contract their memory.
        let submitted = unsafe { syscall(IO_SUBMIT, self.number, count, places.as_mut_ptr()) };
        let nothing = std::ptr::null_mut::<u8>();
        let mut well = submitted == requests.len() as c_long;
        let mut left = submitted.max(0);
        while left > 0 {
            // SAFETY: there is room for so many events.
            let ended = unsafe { syscall(IO_GETEVENTS, self.number, left, left, self.events.as_mut_ptr(), nothing) };
            let ended = usize::try_from(ended).unwrap_or(0); // a signal
            well &= self.events[..ended].iter().all(|event| event.result == event.data as i64);
            left -= ended as c_long;
        }
        well
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: nothing is under way.
        unsafe { syscall(IO_DESTROY, self.number) };
    }
}
