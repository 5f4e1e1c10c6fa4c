//! The demo `app=netecho`: what is sent to port 7 comes back, by TCP and UDP (RFC 862); port 80 answers a line, as Stardust-oxide did; port
//! 11 says what is in use.
//!
//! Each connection is a task. Invariant: whatever a peer sends is bytes: nothing depends on its being text.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;
use threads::executor;

use crate::net::{Backlog, NetError, TcpListener, TcpStream, UdpSocket, stacks};

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(600);

/// Connections at this moment, and the most there were.
static OPEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Answers until port 9 gets something, which is the sign to end.
pub(super) fn echo(_: CommandLine<'_>) {
    if let Err(error) = super::say_addresses().and_then(|()| serve()) {
        println!("netecho: {error}");
    }
}

fn serve() -> Result<(), NetError> {
    let (echo, greet, udp) = (TcpListener::bind(7)?, TcpListener::bind(80)?, UdpSocket::bind(7)?);
    let few = Backlog { connections: 2, buffer: 1024 };
    let (report, end) = (TcpListener::bind_with(11, few)?, TcpListener::bind_with(9, few)?);
    start(accept(echo, Service::Echo))?;
    start(accept(greet, Service::Greet))?;
    start(accept(report, Service::Report))?;
    start(datagrams(udp))?;
    println!("echo on port 7, greeting on port 80, end on port 9");
    let _ = end.accept()?;
    println!("most connections at a time: {}", MOST.load(Ordering::Relaxed));
    for stack in stacks() {
        println!("vif {}: {}", stack.link().name(), stack.counts());
    }
    Ok(())
}

fn start(task: impl Future<Output = ()> + Send + 'static) -> Result<(), NetError> {
    executor::spawn(task).map(drop).map_err(|_| NetError::OutOfMemory)
}

/// What is done with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Echo,
    Greet,
    Report,
}

async fn accept(listener: TcpListener, service: Service) {
    while let Ok((stream, peer)) = listener.accept_async().await {
        log::debug!("{peer} has come");
        let open = OPEN.fetch_add(1, Ordering::Relaxed) + 1;
        MOST.fetch_max(open, Ordering::Relaxed);
        stream.set_patience(Some(IDLE));
        let task = async move {
            let result = match service {
                Service::Echo => repeat(&stream).await,
                Service::Greet => greet(&stream).await,
                Service::Report => report(&stream).await,
            };
            if let Err(error) = result {
                log::debug!("{peer}: {error}");
            }
            drop(stream);
            OPEN.fetch_sub(1, Ordering::Relaxed);
        };
        if executor::spawn(task).is_err() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Sends back what comes.
async fn repeat(stream: &TcpStream) -> Result<(), NetError> {
    let mut buffer = alloc::vec![0; 2048];
    loop {
        match stream.read_async(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all_async(&buffer[..count]).await?,
        }
    }
}

/// One read, one answer, good bye.
async fn greet(stream: &TcpStream) -> Result<(), NetError> {
    let mut buffer = [0; 1024];
    let count = stream.read_async(&mut buffer).await?;
    let said = alloc::format!("SERVER:\t hello! you sent \"{}\"\n", buffer[..count].escape_ascii());
    stream.write_all_async(said.as_bytes()).await?;
    stream.write_all_async(b"SERVER:\t goodbye\n").await
}

/// What is in use at this moment, this connection among it. The other end has to hang up.
async fn report(stream: &TcpStream) -> Result<(), NetError> {
    let sockets: usize = stacks().iter().map(|stack| stack.sockets()).sum();
    let heap = memory::heap::statistics();
    let (blocks, bytes) = (heap.allocations.wrapping_sub(heap.frees), heap.used);
    let grants = xenbus::grants::statistics();
    let said = alloc::format!(
        "connections {}, sockets {sockets}, blocks {blocks}, bytes {bytes}, grants {}, deferred {}\n",
        OPEN.load(Ordering::Relaxed),
        grants.used,
        grants.deferred
    );
    stream.write_all_async(said.as_bytes()).await?;
    stream.read_async(&mut [0]).await.map(drop)
}

async fn datagrams(socket: UdpSocket) {
    let mut buffer = alloc::vec![0; 64 << 10];
    socket.set_patience(None);
    loop {
        let answered = match socket.receive_from_async(&mut buffer).await {
            Ok((count, peer)) => socket.send_to_async(&buffer[..count], peer).await,
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            log::debug!("a datagram: {error}");
        }
    }
}
