//! Checks of exercise 6a: a header that notes each access.

use core::cell::RefCell;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use console::bedrock::{List, Record, Reporter};
use fastrand::Rng;
use netfront::shared_ring::{self, Header};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("6a.slots", slots);
    reporter.check("6a.waiting", waiting);
    reporter.check("6a.publish", publish);
    reporter.check("6a.event", event);
}

/// How many slots fit.
///
/// Sizes: 8, 12, 112, 4032, 4033, 0, 1; then drawn, four times `rng.usize(2..=600)`. Records: `bytes`, `slots`.
fn slots(rng: &mut Rng, record: &Record) {
    let drawn: [usize; 4] = core::array::from_fn(|_| rng.usize(2..=600));
    for bytes in [8, 12, 112, 4032, 4033, 0, 1].into_iter().chain(drawn) {
        record.saw(format_args!("bytes={bytes} slots={}", shared_ring::slots(bytes)));
    }
}

/// How many responses are there.
///
/// Draws: `consumed = rng.u32(..)`, then `u32::MAX - rng.u32(..100)` for a second round; in each `flying = rng.u32(2..=256)` and
/// `some = rng.u32(1..flying)`.
/// Producers, from `consumed` on: none, `some`, `flying`, one more, one before, 2^31. Records: `case`, `result` (`overrun` for the error),
/// `calls`.
fn waiting(rng: &mut Rng, record: &Record) {
    for near_the_end in [false, true] {
        let consumed = if near_the_end { u32::MAX - rng.u32(..100) } else { rng.u32(..) };
        let flying = rng.u32(2..=256);
        let some = rng.u32(1..flying);
        let cases = [
            ("none", 0),
            ("some", some),
            ("all", flying),
            ("more", flying + 1),
            ("before", u32::MAX),
            ("wild", 1 << 31),
        ];
        for (case, ahead) in cases {
            let header = NotedHeader::new(0, consumed.wrapping_add(ahead));
            let result = shared_ring::waiting(&header, consumed.wrapping_add(flying), consumed);
            let result = result.map_or_else(|_| String::from("overrun"), |count| format!("{count}"));
            header.record(record, case, &result);
        }
    }
}

/// Showing requests.
///
/// Draws: as [`waiting`] does, `from` for `consumed`, and `count = rng.u32(2..=64)`, `within = rng.u32(1..=count)`.
/// Events, from `from` on: at `from` itself, at the next, `within`, at `count`, at one more, far behind (-1000), far ahead (1000).
/// Records: `case`, `result` (whether to tell), `calls`.
fn publish(rng: &mut Rng, record: &Record) {
    for near_the_end in [false, true] {
        let from = if near_the_end { u32::MAX - rng.u32(..30) } else { rng.u32(..) };
        let count = rng.u32(2..=64);
        let within = rng.u32(1..=count);
        let cases = [
            ("old", 0),
            ("first", 1),
            ("within", within),
            ("last", count),
            ("next", count + 1),
            ("behind", 1000_u32.wrapping_neg()),
            ("ahead", 1000),
        ];
        for (case, event) in cases {
            let header = NotedHeader::new(from.wrapping_add(event), 0);
            let told = shared_ring::publish(&header, from, from.wrapping_add(count));
            header.record(record, case, &format!("{told}"));
        }
    }
}

/// Asking for an event.
///
/// Draws: `consumed = rng.u32(..)`, then `u32::MAX`; in each `more = rng.u32(1..=256)`.
/// Producers, from `consumed` on: none; `more`. Records: `case`, `result`, `calls`.
fn event(rng: &mut Rng, record: &Record) {
    for at_the_end in [false, true] {
        let consumed = if at_the_end { u32::MAX } else { rng.u32(..) };
        let more = rng.u32(1..=256);
        for (case, ahead) in [("none", 0), ("more", more)] {
            let header = NotedHeader::new(0, consumed.wrapping_add(ahead));
            let result = shared_ring::ask_for_event(&header, consumed);
            header.record(record, case, &format!("{result}"));
        }
    }
}

/// A header with a backend's numbers that notes what is called: `Pn` and `En` for the stores of `req_prod` and `rsp_event`, `e` and `p`
/// for the loads of `req_event` and `rsp_prod`, `b` for a barrier.
struct NotedHeader {
    request_event: u32,
    response_producer: u32,
    calls: RefCell<Vec<String>>,
}

impl NotedHeader {
    fn new(request_event: u32, response_producer: u32) -> Self {
        Self { request_event, response_producer, calls: RefCell::default() }
    }

    fn note(&self, call: String) {
        self.calls.borrow_mut().push(call);
    }

    fn record(&self, record: &Record, case: &str, result: &str) {
        record.saw(format_args!("case={case} result={result} calls={}", List(self.calls.borrow().iter())));
    }
}

impl Header for NotedHeader {
    fn set_request_producer(&self, value: u32) {
        self.note(format!("P{value}"));
    }

    fn request_event(&self) -> u32 {
        self.note(String::from("e"));
        self.request_event
    }

    fn response_producer(&self) -> u32 {
        self.note(String::from("p"));
        self.response_producer
    }

    fn set_response_event(&self, value: u32) {
        self.note(format!("E{value}"));
    }

    fn barrier(&self) {
        self.note(String::from("b"));
    }
}
