//! Exercise 5b: what messages have to look like, and what dom0 has to find.

use super::{bytes, word};
use crate::check::expect::{Row, hex};
use fastrand::Rng;

const BEFORE: &[u8] = b"before";
const PAYLOAD_MAX: usize = 4096;

pub fn requests(rng: &mut Rng) -> Vec<Row> {
    const NAMES: [(&str, u32); 14] = [
        ("a directory request", 1),
        ("a read", 2),
        ("a request for permissions", 3),
        ("a watch", 4),
        ("the end of a watch", 5),
        ("the start of a transaction", 6),
        ("the end of a transaction", 7),
        ("a request for a domain's path", 10),
        ("a write", 11),
        ("the making of a directory", 12),
        ("a removal", 13),
        ("a change of permissions", 14),
        ("a reset of watches", 21),
        ("a request for a part of a directory", 22),
    ];
    let mut rows = Vec::new();
    for (kind, (what, number)) in NAMES.into_iter().enumerate() {
        let (id, transaction) = (rng.u32(1..), rng.u32(..));
        let mut some = || {
            let length = rng.usize(1..=12);
            word(rng, length)
        };
        let path = format!("/{}/{}\0", some(), some()).into_bytes();
        let [token, first, second] = [some(), some(), some()].map(|text| format!("{text}\0").into_bytes());
        let length = rng.usize(..=24);
        let value = bytes(rng, length);
        let (domain, offset, commit) = (rng.u16(..), rng.usize(..100_000), rng.bool());
        let payload: Vec<u8> = match number {
            1 | 2 | 3 | 12 | 13 => path,
            4 | 5 => [path, token].concat(),
            6 | 21 => vec![0],
            7 => vec![if commit { b'T' } else { b'F' }, 0],
            10 => format!("{domain}\0").into_bytes(),
            11 => [path, value].concat(),
            14 => [path, first, second].concat(),
            _ => [path, format!("{offset}\0").into_bytes()].concat(),
        };
        let header = [number, id, transaction, payload.len() as u32].map(u32::to_le_bytes).concat();
        let all = [BEFORE, &header, &payload].concat();
        rows.push(Row::new(what).is("kind", kind).is("result", "ok").is("bytes", hex(&all)));
    }
    rows
}

pub fn refused(rng: &mut Rng) -> Vec<Row> {
    let length = rng.usize(1..=12);
    let path = word(rng, length);
    let _at = rng.usize(..=path.len());
    let over = rng.usize(1..=500);
    let refused = |what: String, case: &str, error: String| {
        Row::new(what).is("case", case).is("result", error).is("bytes", BEFORE.len())
    };
    let sent = |what: &str, case: &str, payload: usize| {
        Row::new(what).is("case", case).is("result", "ok").is("bytes", BEFORE.len() + 16 + payload)
    };
    let bad = || "bad_path".to_owned();
    let long = |bytes: usize| format!("too_long:{bytes}");
    vec![
        refused("an empty path".into(), "empty", bad()),
        refused("a path with a NUL in it".into(), "nul", bad()),
        sent("an absolute path of 3072 bytes", "absolute", 3073),
        refused(format!("an absolute path of {} bytes", 3072 + over), "longer", long(3072 + over)),
        sent("a relative path of 2048 bytes", "relative", 2049),
        refused(format!("a relative path of {} bytes", 2048 + over), "long", long(2048 + over)),
        refused("a token with a NUL in it".into(), "token", bad()),
        refused("a permission with a NUL in it".into(), "permission", bad()),
        sent("a value that fills the payload", "value", PAYLOAD_MAX),
        refused(format!("a payload of {} bytes", PAYLOAD_MAX + over), "large", long(PAYLOAD_MAX + over)),
        refused(format!("permissions of {} bytes in all", PAYLOAD_MAX + over), "many", long(PAYLOAD_MAX + over)),
    ]
}

pub fn replies(rng: &mut Rng) -> Vec<Row> {
    let [kind, id, transaction] = [rng.u32(..), rng.u32(..), rng.u32(..)];
    let drawn = rng.u32(..4096);
    let length = rng.usize(1..=20);
    let payload = bytes(rng, length);
    let _unknown = word(rng, 5);
    let mut rows = Vec::new();
    for length in [drawn, 4096] {
        let row = Row::new(format!("a header that announces {length} bytes")).is("case", "header");
        let row = row.is("length", length).is("header", "ok").is("kind", kind).is("id", id);
        rows.push(row.is("transaction", transaction).is("payload", length));
    }
    for length in [4097, u32::MAX] {
        let row = Row::new(format!("a header that announces {length} bytes")).is("case", "header");
        rows.push(row.is("length", length).is("header", "garbled"));
    }
    let reply = |what: &str, case: &str, reply: &str, payload: &[u8]| {
        Row::new(what).is("case", case).is("reply", reply).is("payload", hex(payload))
    };
    rows.push(reply("a reply", "right", "ok", &payload));
    rows.push(reply("a reply without payload", "empty", "ok", b""));
    rows.push(reply("a reply to another request", "other", "garbled", b""));
    let errors = [
        ("EINVAL", "invalid"),
        ("EACCES", "denied"),
        ("ENOENT", "not_found"),
        ("EQUOTA", "quota"),
        ("ENOSPC", "quota"),
        ("E2BIG", "too_large"),
        ("EAGAIN", "again"),
        ("EBUSY", "busy"),
        ("EINVAL, without a NUL", "invalid"),
        ("an error that nobody knows", "other"),
    ];
    let error =
        |(what, name): (&str, &str)| Row::new(format!("the error {what}")).is("case", "error").is("error", name);
    rows.extend(errors.map(error));
    rows
}

pub fn lists(rng: &mut Rng) -> Vec<Row> {
    let count = rng.usize(2..=8);
    let words: Vec<String> = (0..count)
        .map(|_| {
            let length = rng.usize(1..=10);
            word(rng, length)
        })
        .collect();
    let all: String = words.iter().map(|word| format!("{word},")).collect();
    let middle = format!("{},,{}", words[0], &all[words[0].len() + 1..]);
    let row = |what: &str, case: &str, list: &str| Row::new(what).is("case", case).is("list", list);
    vec![
        row("a list of words", "words", &all),
        row("a list of nothing", "none", "-"),
        row("a list of one empty text", "empty", ","),
        row("a list with an empty text in it", "middle", &middle),
        row("a list whose last NUL is missing", "cut", "garbled"),
        row("a list that is no UTF-8", "broken", "garbled"),
    ]
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    let (ours, theirs) = (bytes(rng, 12), bytes(rng, 12));
    let mut names: Vec<String> = (0..3).map(|_| word(rng, 8)).collect();
    let many = rng.u32(150..=250);
    let asked = |what: &str, ask: &str, dom0: String| Row::new(what).is("ask", ask).is("dom0", dom0);
    let done = || "done".to_owned();
    let mut rows = vec![
        Row::new("a write by the guest").is("written", "ok"),
        asked("what dom0 reads where the guest has written", "store-read", hex(&ours)),
        asked("a write by dom0", "store-write", done()),
        Row::new("what the guest reads where dom0 has written").is("read", hex(&theirs)),
    ];
    rows.extend(names.iter().map(|_| asked("a child that dom0 makes", "store-write", done())));
    names.sort();
    rows.push(Row::new("the children that dom0 has made").is("listed", names.join(",")));
    rows.push(asked("a large folder that dom0 makes", "store-many", done()));
    rows.push(Row::new("the children of the large folder").is("children", many));
    rows.push(Row::new("a node that isn't there").is("missing", "not_found"));
    rows.push(Row::new("a node of dom0's").is("foreign", "denied"));
    rows
}
