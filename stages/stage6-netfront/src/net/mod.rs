//! Networks for threads and tasks: addresses, connections, datagrams, names.
//!
//! The protocols are smoltcp's. Each interface has a [`Stack`]: smoltcp's state, and a thread that works when a frame
//! has come, a timer is due or a socket asks for it, and sleeps otherwise. Sockets are those of the interface that the command line
//! names, or of the first.
//!
//! ```text
//! let listener = TcpListener::bind(80)?;
//! let (stream, peer) = listener.accept()?;         // a thread sleeps until somebody comes
//! let count = stream.read_async(&mut buffer).await?; // a task lets others run meanwhile
//! ```
//!
//! Invariant: every wait ends: each socket has limits to its patience, [`PATIENCE`] unless others are set.

pub(crate) mod claim;
pub mod config;
mod dns;
pub(crate) mod gate;
mod listener;
mod silence;
pub mod stack;
mod tcp;
mod udp;
mod waiting;

pub use dns::{resolve, resolve_async};
pub use listener::{Backlog, TcpListener};
pub use tcp::TcpStream;
pub use udp::UdpSocket;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use console::boot_info::CommandLine;
use threads::sync::Mutex;
use xenbus::frontend::{self, Kind};
use xenbus::state::Style;

use config::Config;
use stack::Stack;
use waiting::Wakers;

/// How long a socket waits, unless it is told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Why something can't be done with the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetError {
    /// There is no network interface; or not the one of this number, which the command line names.
    NoInterface(Option<u32>),
    /// The interface of this number has no address that fits.
    NoAddress(u32),
    /// It took too long.
    TimedOut,
    /// The other end refuses the connection.
    Refused,
    /// The connection was cut off.
    Reset,
    /// This end has been closed.
    Closed,
    /// Somebody has this port already.
    InUse(u16),
    /// There is no way to this address.
    Unreachable,
    /// The datagram is too long.
    TooLong,
    /// There is no memory for it.
    OutOfMemory,
    /// There is no such name, or it can't be one.
    NoSuchName,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface(None) => f.write_str("there is no network interface"),
            Self::NoInterface(Some(number)) => write!(f, "there is no network interface vif {number}"),
            Self::NoAddress(number) => write!(f, "vif {number} has no address"),
            Self::TimedOut => f.write_str("nothing came in time"),
            Self::Refused => f.write_str("the connection was refused"),
            Self::Reset => f.write_str("the connection was cut off"),
            Self::Closed => f.write_str("the connection is closed"),
            Self::InUse(port) => write!(f, "port {port} is in use"),
            Self::Unreachable => f.write_str("there is no way to this address"),
            Self::TooLong => f.write_str("the datagram is too long"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::NoSuchName => f.write_str("there is no such name"),
        }
    }
}

impl core::error::Error for NetError {}

static STACKS: Mutex<Vec<Arc<Stack>>> = Mutex::new(Vec::new());
static CONFIG: spin::Once<Config> = spin::Once::new();
static CHANGED: Wakers = Wakers::new();

/// Has all interfaces driven from now on, as the command line says.
pub(crate) fn start(command_line: CommandLine<'_>) {
    CONFIG.call_once(|| Config::read(command_line));
    frontend::register(Kind {
        name: "vif",
        style: Style::InOneStep,
        make: |device| {
            let link = match Stack::of(&device.name) {
                Ok(stack) => stack.link().clone(),
                Err(error) => {
                    log::error!("vif {}: no protocols: {error}", device.name);
                    Arc::new(crate::link::Link::new(&device.name))
                }
            };
            crate::link::drive(link) as Box<_>
        },
    });
}

/// All interfaces that there are, or were.
pub fn stacks() -> Vec<Arc<Stack>> {
    STACKS.lock().clone()
}

/// The addresses of the interface that sockets are of, once it has one.
///
/// # Errors
/// [`NetError::NoInterface`] if there is none at all; [`NetError::NoAddress`] if it has none in time.
pub fn wait_until_up(patience: Duration) -> Result<Vec<IpAddr>, NetError> {
    let up = waiting::until(&CHANGED, || {
        let addresses = chosen().map(|stack| stack.addresses()).unwrap_or_default();
        (!addresses.is_empty()).then_some(addresses)
    });
    let interface = waiting::block(Some(patience), stack_async());
    let stack = interface.unwrap_or_else(|_| Err(NetError::NoInterface(wanted())))?;
    waiting::block(Some(patience), up).map_err(|_| NetError::NoAddress(stack.number()))
}

/// The interface that sockets are of, once it is there.
///
/// # Errors
/// [`NetError::NoInterface`].
pub fn interface() -> Result<Arc<Stack>, NetError> {
    waiting::block(None, stack_async())?
}

/// The number of the interface that the command line names.
fn wanted() -> Option<u32> {
    CONFIG.get().and_then(|config| config.interface)
}

/// The stack that sockets are of.
fn chosen() -> Option<Arc<Stack>> {
    STACKS.lock().iter().find(|stack| wanted().is_none_or(|wanted| stack.number() == wanted)).cloned()
}

/// The same, once there is one: at the beginning it takes a moment to find them.
async fn stack_async() -> Result<Arc<Stack>, NetError> {
    const MOMENT: Duration = Duration::from_secs(5);
    if let Some(stack) = chosen() {
        return Ok(stack);
    }
    waiting::limited(Some(MOMENT), waiting::until(&CHANGED, chosen)).await.map_err(|_| NetError::NoInterface(wanted()))
}
