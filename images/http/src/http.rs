//! HTTP/1.1, as a server speaks it: RFC 9112. `httparse` takes requests apart.
//!
//! Several requests may wait in one read. Invariant: a request takes no more than [`MOST`] bytes of head and as many of body, and
//! whatever is wrong with it has an answer.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use crate::pages::Page;

/// Bytes that the head of a request may have, and the body that is thrown away with it.
const MOST: usize = 8192;
/// Lines that it may have.
const LINES: usize = 64;

/// The answer to a request.
pub struct Reply {
    /// What is to be sent.
    pub bytes: Vec<u8>,
    /// Bytes that the request had.
    pub taken: usize,
    /// Whether the connection goes on.
    pub keep: bool,
}

/// The answer to the request at the beginning of these bytes; `None` if it isn't there in whole.
pub fn next(bytes: &[u8], find: impl Fn(&str) -> Page) -> Option<Reply> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() < MOST => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Some(refuse("431 Request Header Fields Too Large"));
        }
        Err(_) => return Some(refuse("400 Bad Request")),
    };
    let line = |name: &str| {
        let found = request.headers.iter().find(|line| line.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(found.value).ok().map(str::trim)
    };
    if line("transfer-encoding").is_some() {
        return Some(refuse("501 Not Implemented"));
    }
    // Two of them, or anything but digits: there would be two opinions of where the next request begins.
    let mut lengths = request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case("content-length"));
    let body = match (lengths.next().map(|line| line.value), lengths.next()) {
        (None, _) => 0,
        (Some(digits), None) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            match line("content-length").and_then(|text| text.parse().ok()) {
                Some(length) if length <= MOST => length,
                _ => return Some(refuse("413 Content Too Large")),
            }
        }
        _ => return Some(refuse("400 Bad Request")),
    };
    if bytes.len() < head + body {
        return None;
    }
    let newer = request.version == Some(1);
    let wants = |word: &str| {
        let mut words = line("connection").unwrap_or_default().split(',');
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    let keep = !wants("close") && (newer || wants("keep-alive"));
    let page = match (request.method, request.path) {
        _ if newer && line("host").is_none() => return Some(refuse("400 Bad Request")),
        (Some("GET" | "HEAD"), Some(path)) => find(path.split('?').next().unwrap_or_default()),
        _ => Page {
            status: "405 Method Not Allowed",
            kind: "text/plain",
            content: Cow::Borrowed(b"only GET and HEAD\n"),
        },
    };
    let allow = if page.status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let mut answer = format!(
        "HTTP/1.1 {}\r\nServer: Stardust\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Connection: {}\r\n\r\n",
        page.status,
        page.kind,
        page.content.len(),
        if keep { "keep-alive" } else { "close" },
    )
    .into_bytes();
    if request.method != Some("HEAD") {
        answer.extend_from_slice(&page.content);
    }
    Some(Reply { bytes: answer, taken: head + body, keep })
}

/// An answer behind which the connection ends, as nobody knows where the next request would begin.
fn refuse(status: &str) -> Reply {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Reply { bytes: answer.into_bytes(), taken: usize::MAX, keep: false }
}
