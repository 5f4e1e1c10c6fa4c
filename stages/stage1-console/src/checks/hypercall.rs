//! Checks of exercise 1c: `xen::hypercall`, whose effects Xen shows, and `xen::decode`.
//!
//! A result is recorded as one number: the value, or the error's number with a minus sign.

use console::Errno;
use console::bedrock::{Hex, Record, Reporter};
use console::types::Domid;
use console::under_test::hypercall as closely;
use console::xen::{self, number};
use fastrand::Rng;

/// Runs the checks of this exercise. First those that work whatever the compiler was told: a register that
/// silently changes makes any of the others crash.
pub fn run(reporter: &Reporter) {
    reporter.check("1c.decode", decode);
    reporter.check("1c.registers", registers);
    reporter.check("1c.memory", memory);
    reporter.check("1c.version", version);
    reporter.check("1c.arguments", arguments);
    reporter.check("1c.errors", errors);
    reporter.check("1c.events", events);
}

/// What Xen says about itself: `xl info` says it too.
///
/// Draws nothing. Records: `version` (major * 65536 + minor); `extra`, the result, and `extraversion`, the text
/// before the NUL; `result` and `capabilities`, the text before the NUL.
fn version(_: &mut Rng, record: &Record) {
    const EXTRAVERSION: u64 = 1;
    const CAPABILITIES: u64 = 3;
    // SAFETY: sub-operation 0 takes no pointer and changes nothing.
    let version = unsafe { xen::hypercall(number::XEN_VERSION, [0; 4]) };
    record.saw(format_args!("version={}", plain(version)));

    let mut extra = [0u8; 16];
    // SAFETY: Xen writes a text of at most 16 bytes.
    let result = unsafe { xen::hypercall(number::XEN_VERSION, [EXTRAVERSION, address(&mut extra), 0, 0]) };
    record.saw(format_args!("extra={} extraversion={}", plain(result), Hex(before_nul(&extra))));

    let mut capabilities = [0u8; xen::CAPABILITIES_SIZE];
    // SAFETY: Xen writes a text of at most 1024 bytes.
    let result = unsafe { xen::hypercall(number::XEN_VERSION, [CAPABILITIES, address(&mut capabilities), 0, 0]) };
    record.saw(format_args!("result={} capabilities={}", plain(result), Hex(before_nul(&capabilities))));
}

/// A hypercall with four arguments, each of which shows: `mmuext_op` (operations, their count, where to count
/// those done, domain).
///
/// Draws: `flushes = rng.u64(1..=8)`; `domain = rng.u16(0x4000..0x7000)`, which doesn't exist. The operations
/// are `flushes` times MMUEXT_TLB_FLUSH_LOCAL, then a number that is no operation. Records `result` and `done`
/// (0xdddd before) for each `case`. `all`: count = flushes, on ourselves: 0 and flushes. `stop`: count =
/// flushes + 1: an error, and flushes. `domain`: count = flushes, on that domain: -3, and 0xdddd or 0.
fn arguments(rng: &mut Rng, record: &Record) {
    let flushes = rng.u64(1..=8);
    let domain = rng.u16(0x4000..0x7000);
    for (case, count, domain) in
        [("all", flushes, Domid::SELF), ("stop", flushes + 1, Domid::SELF), ("domain", flushes, Domid(domain))]
    {
        let mut done = 0xdddd_u32;
        let operations = Flushes::new(flushes);
        // SAFETY: flushing the TLB does no harm, and the last operation is none. Xen writes the u32 `done`.
        let result = unsafe { xen::hypercall(number::MMUEXT_OP, operations.arguments(count, &mut done, domain)) };
        record.saw(format_args!("case={case} result={} done={done}", plain(result)));
    }
}

/// Hypercalls that Xen refuses.
///
/// Draws: `unknown = rng.u64(64..4096)`; `unmapped = rng.u64(1..0x10000) * 4096`; `closed =
/// rng.u32(512..1000)`. Records `result` for each `case`. `unknown`: hypercall number `unknown`: -38.
/// `unmapped`: the capabilities into that address: -14. `closed`: an event to that port: -22. `mapped`: the
/// capabilities into a buffer, with their text as `capabilities`: an error says little of one that only knows errors.
fn errors(rng: &mut Rng, record: &Record) {
    const CAPABILITIES: u64 = 3;
    const EVTCHNOP_SEND: u64 = 4;
    let unknown = rng.u64(64..4096);
    let unmapped = rng.u64(1..0x10000) * 4096;
    let mut closed = rng.u32(512..1000);
    let cases = [
        ("unknown", unknown, [0; 4]),
        ("unmapped", number::XEN_VERSION, [CAPABILITIES, unmapped, 0, 0]),
        ("closed", number::EVENT_CHANNEL_OP, [EVTCHNOP_SEND, address(&mut closed), 0, 0]),
    ];
    for (case, number, arguments) in cases {
        // SAFETY: Xen refuses all three; nothing is mapped where it would write, and it only reads the port.
        let result = unsafe { xen::hypercall(number, arguments) };
        record.saw(format_args!("case={case} result={}", plain(result)));
    }
    let mut buffer = [0u8; xen::CAPABILITIES_SIZE];
    // SAFETY: Xen writes a text of at most 1024 bytes.
    let result = unsafe { xen::hypercall(number::XEN_VERSION, [CAPABILITIES, address(&mut buffer), 0, 0]) };
    let capabilities = Hex(before_nul(&buffer));
    record.saw(format_args!("case=mapped result={} capabilities={capabilities}", plain(result)));
}

/// An event channel's life.
///
/// Draws nothing. Records `result` for each `case`, and what Xen wrote. `allocate` (EVTCHNOP_alloc_unbound from
/// ourselves to ourselves): `port`, not 0. `open` (EVTCHNOP_status): `status` 1, unbound. `close`
/// (EVTCHNOP_close). `closed` (EVTCHNOP_status): `status` 0.
fn events(_: &mut Rng, record: &Record) {
    const CLOSE: u64 = 3;
    const STATUS: u64 = 5;
    const ALLOCATE: u64 = 6;
    /// `struct evtchn_alloc_unbound`
    #[repr(C)]
    struct Allocation {
        domain: u16,
        remote: u16,
        port: u32,
    }
    let mut allocation = Allocation { domain: Domid::SELF.0, remote: Domid::SELF.0, port: 0 };
    let result = event_operation(ALLOCATE, &mut allocation);
    let port = allocation.port;
    record.saw(format_args!("case=allocate result={} port={port}", plain(result)));
    for (case, operation) in [("open", STATUS), ("close", CLOSE), ("closed", STATUS)] {
        // `struct evtchn_status`: domain, port, status, vCPU and two more. EVTCHNOP_close takes just a port.
        let mut argument = if operation == STATUS { [Domid::SELF.0.into(), port, 0xdddd, 0, 0, 0] } else { [port; 6] };
        let result = event_operation(operation, &mut argument);
        match operation {
            STATUS => record.saw(format_args!("case={case} result={} status={}", plain(result), argument[2])),
            _ => record.saw(format_args!("case={case} result={}", plain(result))),
        }
    }
}

fn event_operation<T>(operation: u64, argument: &mut T) -> Result<u64, Errno> {
    // SAFETY: both structures are at least as large as Xen's, and it writes only numbers.
    unsafe { xen::hypercall(number::EVENT_CHANNEL_OP, [operation, address(argument), 0, 0]) }
}

/// Hypercalls while values are in registers.
///
/// Draws: nine times `rng.u64(..)`, the values; `flushes = rng.u64(1..=8)`. Records for each `case` the
/// undecoded `result`, and the values afterwards, as `a` to `i`. `version`: as in `1c.version`. `flush`: as
/// `case=all` in `1c.arguments`, with `done`.
fn registers(rng: &mut Rng, record: &Record) {
    let values = core::array::from_fn(|_| rng.u64(..));
    let flushes = rng.u64(1..=8);
    // SAFETY: sub-operation 0 takes no pointer and changes nothing.
    let (result, after) = unsafe { closely::with_registers_in_use(number::XEN_VERSION, [0; 4], values) };
    record_values(record, "version", result, 0, after);

    let mut done = 0;
    let operations = Flushes::new(flushes);
    let arguments = operations.arguments(flushes, &mut done, Domid::SELF);
    // SAFETY: flushing the TLB does no harm. Xen writes the u32 `done`.
    let (result, after) = unsafe { closely::with_registers_in_use(number::MMUEXT_OP, arguments, values) };
    record_values(record, "flush", result, done, after);
}

fn record_values(record: &Record, case: &str, result: i64, done: u32, [a, b, c, d, e, f, g, h, i]: [u64; 9]) {
    record.saw(format_args!(
        "case={case} result={result} done={done} a={a} b={b} c={c} d={d} e={e} f={f} g={g} h={h} i={i}"
    ));
}

/// A hypercall that writes a variable right beside it.
///
/// Draws: `flushes = rng.u64(1..=8)`; `before = rng.u32(100..)`.
/// Records the undecoded `result` and `done`, which was `before`: as `case=all` in `1c.arguments`.
fn memory(rng: &mut Rng, record: &Record) {
    let flushes = rng.u64(1..=8);
    let before = rng.u32(100..);
    let operations = Flushes::new(flushes);
    let [operations, count, _, domain] = operations.arguments(flushes, &mut 0, Domid::SELF);
    // SAFETY: flushing the TLB does no harm. Xen writes the u32.
    let (result, done) = unsafe { closely::into_a_variable(number::MMUEXT_OP, [operations, count, domain], before) };
    record.saw(format_args!("result={result} done={done}"));
}

/// Results of all kinds.
///
/// Draws: `error = rng.i64(1..=4095)`; `value = rng.i64(0..i64::MAX)`; `large = rng.i64(i64::MIN..-4096)`.
/// Records for each of 0, 1, `value`, i64::MAX, -1, -`error`, -4095, -4096, `large`, i64::MIN, in this order:
/// `raw`, and either `value` or `error`.
fn decode(rng: &mut Rng, record: &Record) {
    let error = rng.i64(1..=4095);
    let value = rng.i64(0..i64::MAX);
    let large = rng.i64(i64::MIN..-4096);
    for raw in [0, 1, value, i64::MAX, -1, -error, -4095, -4096, large, i64::MIN] {
        match xen::decode(raw) {
            Ok(value) => record.saw(format_args!("raw={raw} value={value}")),
            Err(error) => record.saw(format_args!("raw={raw} error={}", error.number())),
        }
    }
}

/// Operations for `mmuext_op` (`struct mmuext_op`: a command, and two arguments that flushing ignores).
struct Flushes([[u64; 3]; 9]);

impl Flushes {
    fn new(flushes: u64) -> Self {
        const TLB_FLUSH_LOCAL: u64 = 6;
        const NO_OPERATION: u64 = 0xffff;
        Self(core::array::from_fn(|index| {
            [if (index as u64) < flushes { TLB_FLUSH_LOCAL } else { NO_OPERATION }, 0, 0]
        }))
    }

    fn arguments(&self, count: u64, done: &mut u32, domain: Domid) -> [u64; 4] {
        let operations = self.0.as_ptr().expose_provenance() as u64;
        [operations, count, address(done), domain.0.into()]
    }
}

fn address<T: ?Sized>(of: &mut T) -> u64 {
    (&raw mut *of).cast::<u8>().expose_provenance() as u64
}

fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn plain(result: Result<u64, Errno>) -> i64 {
    result.map_or_else(|error| -i64::from(error.number()), |value| value as i64)
}
