//! What is served: the files of `content/`, which are part of the image, and a page that is made when it is asked for.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering};

use stardust::net::stacks;

/// A page, or the lack of one.
pub struct Page {
    /// What HTTP calls it.
    pub status: &'static str,
    /// The type of its content.
    pub kind: &'static str,
    /// The content.
    pub content: Cow<'static, [u8]>,
}

/// Path, type and content of what never changes.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/", "text/html; charset=utf-8", include_bytes!("../content/index.html")),
    ("/index.html", "text/html; charset=utf-8", include_bytes!("../content/index.html")),
    ("/style.css", "text/css", include_bytes!("../content/style.css")),
];

/// Pages that were asked for.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// The page of this path.
pub fn find(path: &str) -> Page {
    ASKED.fetch_add(1, Ordering::Relaxed);
    if let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == path) {
        return Page { status: "200 OK", kind, content: Cow::Borrowed(content) };
    }
    let (status, text) = match path {
        "/counts" => ("200 OK", counts()),
        _ => ("404 Not Found", String::from("there is no such page\n")),
    };
    Page { status, kind: "text/plain", content: Cow::Owned(text.into_bytes()) }
}

fn counts() -> String {
    let mut text = format!("{} pages asked for\n", ASKED.load(Ordering::Relaxed));
    for stack in stacks() {
        text += &format!("vif {}: {}\n", stack.link().name(), stack.counts());
    }
    text
}
