//! The demo `app=http`: a server of HTTP/1.1 with a few pages that never change.
//!
//! Follows RFC 9112. `httparse` takes requests apart. Connections are kept for further requests, several of which may wait in one
//! read. Invariant: a request takes no more than [`MOST`] bytes, and whatever is wrong with it has an answer.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;
use threads::executor;

use crate::net::{NetError, TcpListener, TcpStream, stacks};

/// Bytes that the head of a request may have, and the body that is thrown away with it.
const MOST: usize = 8192;
/// Lines that it may have.
const LINES: usize = 64;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(30);

static SERVED: AtomicU64 = AtomicU64::new(0);

const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Stardust</title>\
    <link rel=\"stylesheet\" href=\"/style.css\"></head>\n<body><h1>Stardust</h1>\n\
    <p>This page comes from a kernel that is a program, in a guest of Xen.</p>\n\
    <p><a href=\"/counts\">What has been done so far</a></p></body></html>\n";
const STYLE: &str = "body { font: 1.2rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto; }\n";

/// Serves for ever.
pub(super) fn http(_: CommandLine<'_>) {
    if let Err(error) = super::say_addresses().and_then(|()| serve()) {
        println!("http: {error}");
    }
}

fn serve() -> Result<(), NetError> {
    let listener = TcpListener::bind(80)?;
    println!("serving on port 80");
    executor::block_on(async {
        loop {
            let (stream, peer) = listener.accept_async().await?;
            stream.set_patience(Some(IDLE));
            let task = async move {
                if let Err(error) = converse(&stream).await {
                    log::debug!("{peer}: {error}");
                }
            };
            if executor::spawn(task).is_err() {
                log::warn!("out of memory: a connection was dropped");
            }
        }
    })
}

/// What a request asks for.
struct Asked {
    answer: Vec<u8>,
    /// Bytes that the request had.
    taken: usize,
    keep: bool,
}

/// Answers one request after the other.
async fn converse(stream: &TcpStream) -> Result<(), NetError> {
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let mut answers = Vec::new();
        let mut keep = true;
        while keep && let Some(asked) = next(&held) {
            held.drain(..asked.taken.min(held.len()));
            answers.extend_from_slice(&asked.answer);
            keep = asked.keep;
            SERVED.fetch_add(1, Ordering::Relaxed);
        }
        stream.write_all_async(&answers).await?;
        if !keep {
            stream.close_write();
            return Ok(());
        }
        match stream.read_async(&mut buffer).await? {
            0 => return Ok(()),
            count => held.extend_from_slice(&buffer[..count]),
        }
    }
}

/// The answer to the request at the beginning of these bytes; `None` if it isn't there in whole.
fn next(bytes: &[u8]) -> Option<Asked> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() < MOST => return None,
        Ok(httparse::Status::Partial) => return Some(refuse("431 Request Header Fields Too Large")),
        Err(httparse::Error::TooManyHeaders) => return Some(refuse("431 Request Header Fields Too Large")),
        Err(_) => return Some(refuse("400 Bad Request")),
    };
    let line = |name: &str| {
        let found = request.headers.iter().find(|line| line.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(found.value).ok().map(str::trim)
    };
    if line("transfer-encoding").is_some() {
        return Some(refuse("501 Not Implemented"));
    }
    let body = match line("content-length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(length)) if length <= MOST => length,
        Some(Ok(_)) => return Some(refuse("413 Content Too Large")),
        Some(Err(_)) => return Some(refuse("400 Bad Request")),
    };
    if bytes.len() < head + body {
        return None;
    }
    let newer = request.version == Some(1);
    let keep = match line("connection") {
        Some(word) if word.eq_ignore_ascii_case("close") => false,
        Some(word) if word.eq_ignore_ascii_case("keep-alive") => true,
        _ => newer,
    };
    let (status, kind, content) = match (request.method, request.path) {
        (_, _) if newer && line("host").is_none() => return Some(refuse("400 Bad Request")),
        (Some("GET" | "HEAD"), Some(path)) => find(path.split('?').next().unwrap_or_default()),
        _ => ("405 Method Not Allowed", "text/plain", String::from("only GET and HEAD\n")),
    };
    let content_for_head = if request.method == Some("HEAD") { "" } else { &content };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let answer = format!(
        "HTTP/1.1 {status}\r\nServer: Stardust\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}Connection: {}\r\n\r\n\
         {content_for_head}",
        content.len(),
        if keep { "keep-alive" } else { "close" },
    );
    Some(Asked { answer: answer.into_bytes(), taken: head + body, keep })
}

/// An answer behind which the connection ends, as nobody knows where the next request would begin.
fn refuse(status: &str) -> Asked {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Asked { answer: answer.into_bytes(), taken: usize::MAX, keep: false }
}

/// The page of this path.
fn find(path: &str) -> (&'static str, &'static str, String) {
    match path {
        "/" | "/index.html" => ("200 OK", "text/html; charset=utf-8", String::from(PAGE)),
        "/style.css" => ("200 OK", "text/css", String::from(STYLE)),
        "/counts" => ("200 OK", "text/plain", counts()),
        _ => ("404 Not Found", "text/plain", String::from("there is no such page\n")),
    }
}

fn counts() -> String {
    let mut text = format!("{} requests answered\n", SERVED.load(Ordering::Relaxed));
    for stack in stacks() {
        text += &format!("vif {}: {}\n", stack.link().name(), stack.counts());
    }
    text
}
