//! Waiting for connections.
//!
//! A socket of smoltcp's that listens *becomes* the connection when somebody comes. So a listener keeps a few that listen, and puts a
//! fresh one in the place of each that somebody has come to. Who has come waits in a queue until he is accepted.
//!
//! Invariant: a listener has at most its backlog of sockets in all, besides those accepted: whoever sends nothing but first
//! packets fills that, and no memory. When it is full, first packets are dropped, as if they had been lost: who means it sends
//! another. Half-open connections that take too long then give way to new ones, the oldest first.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Poll, Waker};
use core::time::Duration;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;

use threads::time::{Nanoseconds, after, now};

use super::stack::Stack;
use super::tcp::{TcpStream, socket};
use super::{NetError, stack_async, waiting};

/// Sockets that listen at a time, as long as the backlog allows it.
const LISTENING: usize = 4;
/// How long the other end may take to complete what it began.
const HALF_OPEN: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(10);

/// How long it may take in any case, before it has to give way.
const MOMENT: Duration = Duration::from_secs(1);

/// How many connections may wait, and how large they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Connections that were not accepted yet.
    pub connections: usize,
    /// Bytes that each can hold, in each direction.
    pub buffer: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { connections: 256, buffer: 16 << 10 }
    }
}

/// A socket that listens, or to which somebody began to come; since then it waits, until this time.
#[derive(Clone, Copy)]
struct Fresh {
    handle: SocketHandle,
    until: Option<Nanoseconds>,
}

/// The sockets of a listener.
pub(super) struct Waiting {
    /// The port.
    pub port: u16,
    /// No first packet can be taken now.
    pub full: bool,
    backlog: Backlog,
    /// Those that listen, and those to which somebody is just coming; the oldest first.
    fresh: VecDeque<Fresh>,
    /// Those to whom somebody has come.
    arrived: VecDeque<SocketHandle>,
    wakers: Vec<Waker>,
}

impl Waiting {
    // ANCHOR: refresh
    /// Notices who has come, and has others listen in their place.
    pub fn refresh(&mut self, sockets: &mut SocketSet<'static>) {
        let mut listening = 0;
        for _ in 0..self.fresh.len() {
            let Some(Fresh { handle, until }) = self.fresh.pop_front() else { break };
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            let until = match socket.state() {
                // As many listen as there have to be: after a flood of first packets there were more.
                tcp::State::Listen | tcp::State::Closed if listening == LISTENING => {
                    sockets.remove(handle);
                    continue;
                }
                tcp::State::Listen => None,
                tcp::State::SynReceived => Some(until.unwrap_or_else(|| after(MOMENT))),
                // He has gone again.
                tcp::State::Closed if socket.listen(self.port).is_ok() => None,
                _ => {
                    self.arrived.push_back(handle);
                    self.wakers.drain(..).for_each(Waker::wake);
                    continue;
                }
            };
            listening += usize::from(until.is_none());
            self.fresh.push_back(Fresh { handle, until });
        }
        while listening < LISTENING && self.fresh.len() + self.arrived.len() < self.backlog.connections {
            let Ok(mut socket) = socket(self.backlog.buffer) else { break };
            socket.set_timeout(Some(HALF_OPEN));
            if socket.listen(self.port).is_err() {
                break;
            }
            self.fresh.push_back(Fresh { handle: sockets.add(socket), until: None });
            listening += 1;
        }
        if listening == 0
            && let Some(oldest) = self.fresh.iter_mut().find(|fresh| fresh.until.is_some_and(|until| now() >= until))
        {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(oldest.handle);
            socket.abort();
            oldest.until = None;
            listening += usize::from(socket.listen(self.port).is_ok());
        }
        self.full = listening == 0;
    }
    // ANCHOR_END: refresh
}

/// Something that accepts connections.
pub struct TcpListener {
    stack: Arc<Stack>,
    number: u64,
    port: u16,
    patience: Option<Duration>,
}

impl TcpListener {
    /// Listens at a port, on all addresses of the interface.
    ///
    /// # Errors
    /// If there is no interface, somebody listens there already, or there is no memory. [`NetError::Unreachable`] for port 0.
    pub fn bind(port: u16) -> Result<Self, NetError> {
        Self::bind_with(port, Backlog::default())
    }

    /// The same, with another backlog.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(port: u16, backlog: Backlog) -> Result<Self, NetError> {
        waiting::block(None, Self::bind_async(port, backlog))?
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_async(port: u16, backlog: Backlog) -> Result<Self, NetError> {
        if port == 0 {
            return Err(NetError::Unreachable);
        }
        let stack = stack_async().await?;
        let number = stack.with(|inner| {
            if inner.listeners.values().any(|listener| listener.port == port) {
                return Err(NetError::InUse(port));
            }
            let number = inner.number();
            let (fresh, arrived, wakers) = Default::default();
            inner.listeners.insert(number, Waiting { port, full: false, backlog, fresh, arrived, wakers });
            inner.refresh_listeners();
            let ready = inner.listeners.get(&number).is_some_and(|listener| !listener.fresh.is_empty());
            if ready {
                Ok(number)
            } else {
                inner.listeners.remove(&number).map_or(Ok(0), |_| Err(NetError::OutOfMemory))
            }
        })?;
        Ok(Self { stack, number, port, patience: None })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits at most so long for each connection; for ever, if `None`, which is the default.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Waits for a connection, and returns it with the other end's address.
    ///
    /// # Errors
    /// [`NetError::TimedOut`].
    pub fn accept(&self) -> Result<(TcpStream, SocketAddr), NetError> {
        waiting::block(self.patience, self.next())
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub async fn accept_async(&self) -> Result<(TcpStream, SocketAddr), NetError> {
        waiting::limited(self.patience, self.next()).await
    }

    async fn next(&self) -> (TcpStream, SocketAddr) {
        poll_fn(|context| {
            // Whoever leaves makes room for another one to listen.
            self.stack.look(|inner| {
                let Some(listener) = inner.listeners.get_mut(&self.number) else { return Poll::Pending };
                while let Some(handle) = listener.arrived.pop_front() {
                    let socket = inner.sockets.get_mut::<tcp::Socket<'_>>(handle);
                    // Who has gone meanwhile, without a word, is nobody.
                    let Some(peer) = socket.remote_endpoint() else {
                        inner.sockets.remove(handle);
                        continue;
                    };
                    super::tcp::watch_peer(socket);
                    let stream = TcpStream::new(self.stack.clone(), handle);
                    let peer = SocketAddr::new(peer.addr.into(), peer.port);
                    inner.refresh_listeners();
                    return Poll::Ready((stream, peer));
                }
                if !listener.wakers.iter().any(|known| known.will_wake(context.waker())) {
                    listener.wakers.push(context.waker().clone());
                }
                Poll::Pending
            })
        })
        .await
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.stack.with(|inner| {
            let Some(listener) = inner.listeners.remove(&self.number) else { return };
            for Fresh { handle, .. } in listener.fresh {
                inner.sockets.get_mut::<tcp::Socket<'_>>(handle).abort();
                inner.abandon(handle);
            }
            listener.arrived.into_iter().for_each(|handle| inner.abandon(handle));
        });
    }
}
