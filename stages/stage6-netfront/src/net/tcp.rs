//! Connections.
//!
//! Invariant: one thread or task at a time reads, and one at a time writes; another one that does the same at the same time gets
//! its turn when the first is done, but may be told late.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;

use console::lock::Lock;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{self, RecvError, Socket, SocketBuffer, State};

use super::stack::Stack;
use super::{Backlog, NetError, PATIENCE, stack_async, waiting};

/// A connection.
pub struct TcpStream {
    stack: Arc<Stack>,
    handle: SocketHandle,
    patience: Lock<Option<Duration>>,
}

/// A socket with buffers of so many bytes.
pub(super) fn socket(bytes: usize) -> Result<Socket<'static>, NetError> {
    let buffer = || {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(bytes).map_err(|_| NetError::OutOfMemory)?;
        buffer.resize(bytes, 0);
        Ok(SocketBuffer::new(buffer))
    };
    let mut socket = Socket::new(buffer()?, buffer()?);
    // What is written is sent: those who care make large writes.
    socket.set_nagle_enabled(false);
    Ok(socket)
}

/// Has a connection end when the other machine is silent for too long. One that has nothing to say is asked now and then.
pub(super) fn watch_peer(socket: &mut Socket<'static>) {
    socket.set_timeout(Some(PATIENCE.into()));
    socket.set_keep_alive(Some((PATIENCE / 3).into()));
}

impl TcpStream {
    pub(super) fn new(stack: Arc<Stack>, handle: SocketHandle) -> Self {
        Self { stack, handle, patience: Lock::new(Some(PATIENCE)) }
    }

    /// Connects to a port of another machine.
    ///
    /// # Errors
    /// [`NetError::Refused`], [`NetError::TimedOut`], [`NetError::Unreachable`]; if there is no interface or memory.
    pub fn connect(remote: SocketAddr, patience: Duration) -> Result<Self, NetError> {
        Self::connect_with(remote, patience, Backlog::default().buffer)
    }

    /// The same, with buffers of so many bytes in each direction: the most that can be on its way at a time. Where that is
    /// less than what comes or goes in a round trip, both ends wait for one another.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(remote: SocketAddr, patience: Duration, buffer: usize) -> Result<Self, NetError> {
        waiting::block(Some(patience), Self::begin(remote, buffer))?
    }

    /// [`connect`](Self::connect) for a task.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_async(remote: SocketAddr, patience: Duration) -> Result<Self, NetError> {
        waiting::limited(Some(patience), Self::begin(remote, Backlog::default().buffer)).await?
    }

    async fn begin(remote: SocketAddr, buffer: usize) -> Result<Self, NetError> {
        let stack = stack_async().await?;
        let handle = stack.with(|inner| {
            let port = inner.free_port().ok_or(NetError::OutOfMemory)?;
            let mut socket = socket(buffer)?;
            watch_peer(&mut socket);
            let (face, sockets) = inner.face().ok_or(NetError::NoAddress(stack.number()))?;
            socket.connect(face.context(), remote, port).map_err(|_| NetError::Unreachable)?;
            Ok(sockets.add(socket))
        })?;
        // From here on it is given back if nobody waits any longer.
        let stream = Self::new(stack, handle);
        stream
            .wait(|socket, context| match socket.state() {
                State::SynSent | State::SynReceived => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                State::Closed => Poll::Ready(Err(NetError::Refused)),
                _ => Poll::Ready(Ok(())),
            })
            .await?;
        Ok(stream)
    }

    /// Waits at most so long for anything to come or go; for ever, if `None`.
    pub fn set_patience(&self, patience: Option<Duration>) {
        *self.patience.lock() = patience;
    }

    fn patience(&self) -> Option<Duration> {
        *self.patience.lock()
    }

    /// The other end's address; `None` once the connection is over.
    pub fn peer(&self) -> Option<SocketAddr> {
        let remote = self.stack.look(|inner| inner.sockets.get::<Socket<'_>>(self.handle).remote_endpoint())?;
        Some(SocketAddr::new(remote.addr.into(), remote.port))
    }

    /// Takes bytes that have come, at least one, and returns how many. 0 if the other end has closed.
    ///
    /// # Errors
    /// [`NetError::Reset`], [`NetError::TimedOut`].
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, NetError> {
        waiting::block(self.patience(), self.receive(buffer))?
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_async(&self, buffer: &mut [u8]) -> Result<usize, NetError> {
        waiting::limited(self.patience(), self.receive(buffer)).await?
    }

    /// Hands bytes over to be sent, at least one, and returns how many.
    ///
    /// # Errors
    /// [`NetError::Closed`], [`NetError::Reset`], [`NetError::TimedOut`].
    pub fn write(&self, bytes: &[u8]) -> Result<usize, NetError> {
        waiting::block(self.patience(), self.transmit(bytes))?
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_async(&self, bytes: &[u8]) -> Result<usize, NetError> {
        waiting::limited(self.patience(), self.transmit(bytes)).await?
    }

    /// Hands all of these bytes over.
    ///
    /// # Errors
    /// As [`write`](Self::write). Some may have been sent then.
    pub fn write_all(&self, mut bytes: &[u8]) -> Result<(), NetError> {
        while !bytes.is_empty() {
            bytes = &bytes[self.write(bytes)?..];
        }
        Ok(())
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all).
    pub async fn write_all_async(&self, mut bytes: &[u8]) -> Result<(), NetError> {
        while !bytes.is_empty() {
            bytes = &bytes[self.write_async(bytes).await?..];
        }
        Ok(())
    }

    /// Says that nothing more will be sent. What comes can still be read.
    pub fn close_write(&self) {
        self.stack.with(|inner| inner.sockets.get_mut::<Socket<'_>>(self.handle).close());
    }

    /// Ends the connection without ceremony.
    pub fn abort(self) {
        self.stack.with(|inner| inner.sockets.get_mut::<Socket<'_>>(self.handle).abort());
    }

    async fn receive(&self, buffer: &mut [u8]) -> Result<usize, NetError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            let (result, tell) = self.stack.look(|inner| {
                let socket = inner.sockets.get_mut::<Socket<'_>>(self.handle);
                // The other end has stopped, or soon will, as there is no room: it has to be told of the room that is made here.
                let tell = socket.recv_queue() * 2 >= socket.recv_capacity();
                (take(socket, buffer, context), tell)
            });
            if tell {
                self.stack.with(|_| ());
            }
            result
        })
        .await
    }

    async fn transmit(&self, bytes: &[u8]) -> Result<usize, NetError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.wait(|socket, context| {
            if socket.can_send() {
                return Poll::Ready(socket.send_slice(bytes).map_err(|_| NetError::Closed));
            }
            match socket.state() {
                State::Closed | State::TimeWait => Poll::Ready(Err(NetError::Reset)),
                State::Established | State::CloseWait | State::SynSent | State::SynReceived => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                _ => Poll::Ready(Err(NetError::Closed)),
            }
        })
        .await
    }

    async fn wait<T>(
        &self,
        mut poll: impl FnMut(&mut Socket<'static>, &mut Context<'_>) -> Poll<Result<T, NetError>>,
    ) -> Result<T, NetError> {
        poll_fn(|context| self.stack.with(|inner| poll(inner.sockets.get_mut::<Socket<'_>>(self.handle), context)))
            .await
    }
}

fn take(socket: &mut Socket<'static>, buffer: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, NetError>> {
    if !socket.can_recv() && (socket.may_recv() || matches!(socket.state(), State::SynSent | State::SynReceived)) {
        socket.register_recv_waker(context.waker());
        return Poll::Pending;
    }
    Poll::Ready(match socket.recv_slice(buffer) {
        Ok(count) => Ok(count),
        Err(RecvError::Finished) => Ok(0),
        Err(RecvError::InvalidState) => Err(NetError::Reset),
    })
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.stack.with(|inner| inner.abandon(self.handle));
    }
}

impl core::fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let state: tcp::State = self.stack.look(|inner| inner.sockets.get::<Socket<'_>>(self.handle).state());
        write!(f, "TcpStream({state})")
    }
}
