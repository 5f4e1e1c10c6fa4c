//! Datagrams.
//!
//! Invariant: a datagram is received whole or not at all.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::Poll;
use core::time::Duration;

use console::lock::Lock;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, RecvError, SendError, Socket};
use smoltcp::wire::IpEndpoint;

use super::stack::Stack;
use super::{NetError, PATIENCE, stack_async, waiting};

/// Datagrams that wait, in each direction.
const DATAGRAMS: usize = 64;
/// Their bytes.
const BYTES: usize = 64 << 10;

/// A port for datagrams.
pub struct UdpSocket {
    stack: Arc<Stack>,
    handle: SocketHandle,
    port: u16,
    patience: Lock<Option<Duration>>,
}

fn buffer() -> Result<PacketBuffer<'static>, NetError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(BYTES).map_err(|_| NetError::OutOfMemory)?;
    bytes.resize(BYTES, 0);
    let mut datagrams = Vec::new();
    datagrams.try_reserve_exact(DATAGRAMS).map_err(|_| NetError::OutOfMemory)?;
    datagrams.resize(DATAGRAMS, PacketMetadata::EMPTY);
    Ok(PacketBuffer::new(datagrams, bytes))
}

impl UdpSocket {
    /// Takes a port; one that is free, for 0.
    ///
    /// # Errors
    /// If there is no interface, somebody has the port already, or there is no memory.
    pub fn bind(port: u16) -> Result<Self, NetError> {
        waiting::block(None, Self::bind_async(port))?
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_async(port: u16) -> Result<Self, NetError> {
        let stack = stack_async().await?;
        let (handle, port) = stack.with(|inner| {
            let port = if port == 0 { inner.free_port().ok_or(NetError::OutOfMemory)? } else { port };
            let taken = inner.sockets.iter().any(|(_, socket)| match socket {
                smoltcp::socket::Socket::Udp(socket) => socket.endpoint().port == port,
                _ => false,
            });
            if taken {
                return Err(NetError::InUse(port));
            }
            let mut socket = Socket::new(buffer()?, buffer()?);
            socket.bind(port).map_err(|_| NetError::InUse(port))?;
            Ok((inner.sockets.add(socket), port))
        })?;
        Ok(Self { stack, handle, port, patience: Lock::new(Some(PATIENCE)) })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits at most so long for anything to come or go; for ever, if `None`.
    pub fn set_patience(&self, patience: Option<Duration>) {
        *self.patience.lock() = patience;
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// [`NetError::TooLong`], [`NetError::Unreachable`], [`NetError::TimedOut`].
    pub fn send_to(&self, bytes: &[u8], remote: SocketAddr) -> Result<(), NetError> {
        let patience = *self.patience.lock();
        waiting::block(patience, self.transmit(bytes, remote))?
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub async fn send_to_async(&self, bytes: &[u8], remote: SocketAddr) -> Result<(), NetError> {
        let patience = *self.patience.lock();
        waiting::limited(patience, self.transmit(bytes, remote)).await?
    }

    /// Waits for a datagram, and returns its length and the sender.
    ///
    /// # Errors
    /// [`NetError::TooLong`] for one that doesn't fit, which is lost; [`NetError::TimedOut`].
    pub fn receive_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), NetError> {
        let patience = *self.patience.lock();
        waiting::block(patience, self.receive(buffer))?
    }

    /// The same, for a task.
    ///
    /// # Errors
    /// As [`receive_from`](Self::receive_from).
    pub async fn receive_from_async(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), NetError> {
        let patience = *self.patience.lock();
        waiting::limited(patience, self.receive(buffer)).await?
    }

    async fn transmit(&self, bytes: &[u8], remote: SocketAddr) -> Result<(), NetError> {
        poll_fn(|context| {
            self.stack.with(|inner| {
                let socket = inner.sockets.get_mut::<Socket<'_>>(self.handle);
                if bytes.len() > socket.payload_send_capacity() {
                    return Poll::Ready(Err(NetError::TooLong));
                }
                match socket.send_slice(bytes, IpEndpoint::from(remote)) {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(SendError::Unaddressable) => Poll::Ready(Err(NetError::Unreachable)),
                    Err(SendError::BufferFull) => {
                        socket.register_send_waker(context.waker());
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }

    async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), NetError> {
        poll_fn(|context| {
            self.stack.look(|inner| {
                let socket = inner.sockets.get_mut::<Socket<'_>>(self.handle);
                match socket.recv_slice(buffer) {
                    Ok((count, from)) => {
                        let peer = SocketAddr::new(from.endpoint.addr.into(), from.endpoint.port);
                        Poll::Ready(Ok((count, peer)))
                    }
                    Err(RecvError::Truncated) => Poll::Ready(Err(NetError::TooLong)),
                    Err(RecvError::Exhausted) => {
                        socket.register_recv_waker(context.waker());
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.stack.with(|inner| inner.sockets.remove(self.handle));
    }
}
