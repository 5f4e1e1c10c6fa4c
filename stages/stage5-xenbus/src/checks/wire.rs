//! Checks of exercise 5b: messages as bytes, then real ones.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use console::bedrock::{Hex, Record, Reporter};
use console::types::Domid;
use fastrand::Rng;
use xenbus::protocol::{self, Request, StoreError};
use xenbus::store::Store;

use super::{bytes, name, outcome, word};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("5b.requests", requests);
    reporter.check("5b.refused", refused);
    reporter.check("5b.replies", replies);
    reporter.check("5b.lists", lists);
    reporter.check("5b.dom0", dom0);
}

/// What `out` holds before a request is appended.
const BEFORE: &[u8] = b"before";

/// Every kind of request.
///
/// Draws, for each of the 14 kinds in the order of `Request`: `id = rng.u32(1..)`; `transaction = rng.u32(..)`; a path of two
/// [`word`]s with `/` between and before, `rng.usize(1..=12)` letters each; a token, one such word; a value,
/// `rng.usize(..=24)` [`bytes`]; two permissions, such words; `domain = rng.u16(..)`; `offset = rng.usize(..100_000)`;
/// `commit = rng.bool()`. Each is drawn for each kind, used or not.
/// Records: `kind`, the number in the order; `result`; `bytes`, all of `out`.
fn requests(rng: &mut Rng, record: &Record) {
    for kind in 0..14 {
        let (id, transaction) = (rng.u32(1..), rng.u32(..));
        let mut some = || {
            let length = rng.usize(1..=12);
            word(rng, length)
        };
        let path = alloc::format!("/{}/{}", some(), some());
        let (token, first, second) = (some(), some(), some());
        let length = rng.usize(..=24);
        let value = bytes(rng, length);
        let (domain, offset, commit) = (Domid(rng.u16(..)), rng.usize(..100_000), rng.bool());
        let (path, token, value, permissions) = (&path[..], &token[..], &value[..], &[&first[..], &second[..]][..]);
        let request = match kind {
            0 => Request::Directory(path),
            1 => Request::Read(path),
            2 => Request::GetPermissions(path),
            3 => Request::Watch { node: path, token },
            4 => Request::Unwatch { node: path, token },
            5 => Request::TransactionStart,
            6 => Request::TransactionEnd { commit },
            7 => Request::GetDomainPath(domain),
            8 => Request::Write { node: path, value },
            9 => Request::MakeDirectory(path),
            10 => Request::Remove(path),
            11 => Request::SetPermissions { node: path, permissions },
            12 => Request::ResetWatches,
            _ => Request::DirectoryPart { node: path, offset },
        };
        let mut out = BEFORE.to_vec();
        let result = protocol::encode(&request, id, transaction, &mut out);
        record.saw(format_args!("kind={kind} result={} bytes={}", outcome(&result), Hex(&out)));
    }
}

/// What must not be sent.
///
/// Draws: `path`, a [`word`] of `rng.usize(1..=12)` letters; `at = rng.usize(..=path.len())`, where a NUL is put in; `over =
/// rng.usize(1..=500)`.
/// Records: `case`, `result`, `bytes`: how many `out` has. Cases: `empty` path; `nul` in the path; the path of `absolute` 3072 and
/// of `longer` 3072 + over bytes, that of `relative` 2048 and of `long` 2048 + over bytes; `token` with a NUL; `permission` with one;
/// a `value` that makes the payload 4096 bytes, `large` 4096 + over; and `many` permissions, with 4096 + over bytes of payload.
fn refused(rng: &mut Rng, record: &Record) {
    let length = rng.usize(1..=12);
    let path = word(rng, length);
    let at = rng.usize(..=path.len());
    let over = rng.usize(1..=500);

    let mut broken = path.clone();
    broken.insert(at, '\0');
    let text = |first: char, length: usize| {
        let mut text = String::from(first);
        text.extend((1..length).map(|_| 'x'));
        text
    };
    let [absolute, longer] = [text('/', 3072), text('/', 3072 + over)];
    let [relative, long] = [text('r', 2048), text('r', 2048 + over)];
    let room = 4096 - (path.len() + 1);
    let (fitting, large) = (vec![7; room], vec![7; room + over]);
    let filling = text('p', room + over - 1);
    let cases = [
        ("empty", Request::Read("")),
        ("nul", Request::Remove(&broken)),
        ("absolute", Request::Read(&absolute)),
        ("longer", Request::Directory(&longer)),
        ("relative", Request::Read(&relative)),
        ("long", Request::Watch { node: &long, token: "token" }),
        ("token", Request::Watch { node: &path, token: &broken }),
        ("permission", Request::SetPermissions { node: &path, permissions: &["n0", &broken] }),
        ("value", Request::Write { node: &path, value: &fitting }),
        ("large", Request::Write { node: &path, value: &large }),
        ("many", Request::SetPermissions { node: &path, permissions: &[&filling] }),
    ];
    for (case, request) in cases {
        let mut out = BEFORE.to_vec();
        let result = protocol::encode(&request, 1, 0, &mut out);
        record.saw(format_args!("case={case} result={} bytes={}", outcome(&result), out.len()));
    }
}

/// Headers and replies.
///
/// Draws: `numbers`, three times `rng.u32(..)`; `length = rng.u32(..4096)`; `payload`, `rng.usize(1..=20)` [`bytes`]; the name of
/// an error that nobody knows, `E` and a [`word`] of 5 letters.
/// Records: `case=header` with the four fields, for the lengths drawn, 4096, 4097 and 2^32 - 1 (`header` is `ok` or the error); then
/// `reply` for a read: the payload drawn under the right kind, none under the right kind, the payload under kind `TransactionEnd`;
/// then `error` for each of [`ERRORS`] with a NUL, for the first without one, and for the unknown one.
fn replies(rng: &mut Rng, record: &Record) {
    const ERRORS: [&str; 8] = ["EINVAL", "EACCES", "ENOENT", "EQUOTA", "ENOSPC", "E2BIG", "EAGAIN", "EBUSY"];
    let numbers = [rng.u32(..), rng.u32(..), rng.u32(..)];
    let drawn = rng.u32(..4096);
    let length = rng.usize(1..=20);
    let payload = bytes(rng, length);
    let unknown = alloc::format!("E{}", word(rng, 5));

    for length in [drawn, 4096, 4097, u32::MAX] {
        let [kind, id, transaction] = numbers;
        let mut header = [0; 16];
        for (bytes, number) in header.chunks_mut(4).zip([kind, id, transaction, length]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        match protocol::parse_header(&header) {
            Ok(header) => record.saw(format_args!(
                "case=header length={length} header=ok kind={} id={} transaction={} payload={}",
                header.kind, header.id, header.transaction, header.length
            )),
            Err(error) => record.saw(format_args!("case=header length={length} header={}", name(error))),
        }
    }
    let asked = Request::Read("").kind();
    let other = Request::TransactionEnd { commit: true }.kind();
    for (case, kind, payload) in [("right", asked, &payload[..]), ("empty", asked, b""), ("other", other, &payload)] {
        let result = protocol::parse_reply(asked, kind.number(), payload);
        let got = result.unwrap_or(b"");
        record.saw(format_args!("case={case} reply={} payload={}", outcome(&result), Hex(got)));
    }
    let with_nul = ERRORS.iter().map(|error| alloc::format!("{error}\0"));
    for text in with_nul.chain([String::from(ERRORS[0]), unknown]) {
        let result = protocol::parse_reply(asked, protocol::ERROR, text.as_bytes());
        record.saw(format_args!("case=error error={}", outcome(&result)));
    }
}

/// Lists of texts.
///
/// Draws: `count = rng.usize(2..=8)`; so many [`word`]s of `rng.usize(1..=10)` letters each.
/// Records: `case`, `list`: the texts with `,` behind each, or the error; for the words (`words`), no bytes (`none`), one NUL (`empty`),
/// the words with an empty one in the middle (`middle`), the words without the last NUL (`cut`), and the words with a byte
/// that is no UTF-8 in front (`broken`).
fn lists(rng: &mut Rng, record: &Record) {
    let count = rng.usize(2..=8);
    let mut words = Vec::new();
    let mut middle = Vec::new();
    for index in 0..count {
        let length = rng.usize(1..=10);
        let word = word(rng, length);
        for list in [&mut words, &mut middle] {
            list.extend_from_slice(word.as_bytes());
            list.push(0);
        }
        if index == 0 {
            middle.push(0);
        }
    }
    let cut = &words[..words.len() - 1];
    let broken = [b"\xff", &words[..]].concat();
    let cases = [
        ("words", &words[..]),
        ("none", b""),
        ("empty", b"\0"),
        ("middle", &middle),
        ("cut", cut),
        ("broken", &broken),
    ];
    for (case, payload) in cases {
        let mut list = String::new();
        match protocol::parse_strings(payload) {
            Ok(texts) => texts.iter().for_each(|text| {
                let _ = write!(list, "{text},");
            }),
            Err(error) => list = name(error),
        }
        record.saw(format_args!("case={case} list={}", if list.is_empty() { "-" } else { &list }));
    }
}

/// The real daemon.
///
/// Draws: `ours` and `theirs`, 12 [`bytes`] each; `names`, three [`word`]s of 8 letters; `many = rng.u32(150..=250)`.
/// Records: `written`, the result of writing `ours` to `data/ours`; the answer to `store-read` of it; the answer to `store-write` of
/// `theirs` to `data/theirs`; `read`, the value that the guest finds there; for each name the answer to `store-write` of
/// `data/list/<name>`; `listed`, the names sorted with `,` between; the answer to `store-many` of `many` children of `data/many`, and
/// `children`, how many the guest finds; `missing`, the result of reading `data/nothing`; `foreign`, that of writing
/// `/local/domain/0/name`.
fn dom0(rng: &mut Rng, record: &Record) {
    let store = Store::shared();
    let (ours, theirs) = (bytes(rng, 12), bytes(rng, 12));
    let names: Vec<String> = (0..3).map(|_| word(rng, 8)).collect();
    let many = rng.u32(150..=250);

    let written = store.write("data/ours", &ours);
    record.saw(format_args!("written={}", outcome(&written)));
    record.ask(format_args!("ask=store-read path=data/ours"));
    record.ask(format_args!("ask=store-write path=data/theirs value={}", Hex(&theirs)));
    match store.read("data/theirs") {
        Ok(value) => record.saw(format_args!("read={}", Hex(&value))),
        Err(error) => record.saw(format_args!("read={}", name(error))),
    }
    for name in &names {
        record.ask(format_args!("ask=store-write path=data/list/{name} value=-"));
    }
    record.saw(format_args!("listed={}", listed(store.directory("data/list"))));
    record.ask(format_args!("ask=store-many path=data/many count={many}"));
    let children = store.directory("data/many");
    match children {
        Ok(children) => record.saw(format_args!("children={}", children.len())),
        Err(error) => record.saw(format_args!("children={}", name(error))),
    }
    record.saw(format_args!("missing={}", outcome(&store.read("data/nothing"))));
    record.saw(format_args!("foreign={}", outcome(&store.write("/local/domain/0/name", b"mine"))));
}

fn listed(names: Result<Vec<String>, StoreError>) -> String {
    match names {
        Ok(mut names) => {
            names.sort();
            names.join(",")
        }
        Err(error) => name(error),
    }
}
