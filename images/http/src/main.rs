//! A service: pages by HTTP/1.1, from a guest of Xen.
//!
//! Each connection is a task, and is kept for further requests. `http` knows the protocol, `pages` the pages: a service of
//! your own begins by changing those. `port=8080` on the command line takes another port than 80.
#![no_std]
#![no_main]

extern crate alloc;

mod http;
mod pages;

use alloc::vec::Vec;

use stardust::net::{self, NetError, TcpListener, TcpStream};
use stardust::options::{Key, Values};
use stardust::time::Duration;
use stardust::{executor, log, println};

stardust::main!("http", main, KEYS);

const KEYS: &[Key] = &[Key { name: "port", values: Values::Like("a number of a port", |text| port(text).is_some()) }];

/// How long it may take until there is an address.
const UNTIL_UP: Duration = Duration::from_secs(30);
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(30);

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// Serves for ever.
fn main() -> Result<(), NetError> {
    for address in net::wait_until_up(UNTIL_UP)? {
        println!("address: {address}");
    }
    let port = stardust::command_line().get("port").and_then(port).unwrap_or(80);
    let listener = TcpListener::bind(port)?;
    println!("serving on port {port}");
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

/// Answers one request after the other.
async fn converse(stream: &TcpStream) -> Result<(), NetError> {
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let mut answers = Vec::new();
        let mut keep = true;
        while keep && let Some(reply) = http::next(&held, pages::find) {
            held.drain(..reply.taken.min(held.len()));
            answers.extend_from_slice(&reply.bytes);
            keep = reply.keep;
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
