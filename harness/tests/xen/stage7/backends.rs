//! Backends that fail, lie or are silent: the guest plays their part itself.

use super::ready;
use crate::common::{holds, numbers};

/// See `stages/stage7-blkfront/src/demo/faults.rs`.
#[test]
#[ignore = "long"]
fn whatever_a_backend_does_an_operation_ends_and_nothing_is_lost() {
    let text = ready().said("app=disk-faults");
    println!("{text}");
    let silent = "the backend does not answer";
    let liar = "the backend is not to be believed: a response to no request";
    let unsupported = "the backend can't do that";
    holds(
        &text,
        &[
            "deep: 100 requests are under way, and none is answered",
            "deep: 100 of them are done",
            // The pages of one request, 16 and one for the segments: they are used again.
            "errors: 50 writes failed, for which 17 pages were granted",
            "errors: 0 pages are set aside",
            "unsupported: flush: done",
            &format!("unsupported: discard: unsupported: {unsupported}"),
            "unsupported: a large write: done",
            "unsupported: asked for 1 flushes, 1 discards and 1 indirect writes",
            "unsupported: what was written is on the disk: yes",
            "slow: 4 requests, each of which took a while: done",
            &format!("silent: the first write: silent: {silent}"),
            "silent: the second has overtaken it: no",
            &format!("silent: the second write: silent: {silent}"),
            "silent: the third write, after the first was answered: done",
            "silent: on the disk is number 3",
            &format!("forgetful: a read: forgetful: {silent}; none of the others failed: yes"),
            &format!("liar: a write: liar: {liar}"),
            &format!("liar: another one: liar: {liar}"),
            "liar: backends have lied 1 times",
            "bye: poweroff",
        ],
    );
    // It is told once, by the log, whoever asks.
    assert!(text.contains(&format!("error: liar: {liar}; lies so far, on all disks: 1")), "{text}");
    let others = numbers(&text, "fair: a part of a block was written, and ")[0];
    assert!(others < 50, "{others} writes of whole blocks went before it\n{text}");
}
