//! Xenstore, as the rest of the kernel uses it.
//!
//! Xenstore is a tree of small values that all domains of a host can reach, each with what it may: how toolstack, backends and
//! guests tell one another things. A path that doesn't begin with `/` begins at this domain's own folder.
//!
//! ```text
//! let name = Store::shared().read("name")?;             // a thread sleeps until the answer is there
//! let name = Store::shared().read_async("name").await?; // a task lets others run meanwhile
//! ```
//!
//! Any number of threads and tasks may use it at a time. Invariant: every wait ends, after [`PATIENCE`] at the latest.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use console::boot_info::StartInfo;
use console::lock::Lock;
use console::types::{Domid, Port};
use events::port::{self, PortError};
use threads::executor::{self, Either};
use threads::time::after;

use crate::call::{Call, Reply};
use crate::connection::{Connection, Counts};
use crate::directory;
use crate::protocol::{self, Refusal, Request, StoreError};
use crate::store_ring::StorePage;
use crate::transactions::{self, Nodes, TransactionId};

/// How long a request may take. The daemon serves a whole host, and may be replaced by a newer one meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(20);

static CONNECTION: Lock<Option<Connected>> = Lock::new(None);

struct Connected {
    connection: Connection<StorePage>,
    port: Port,
}

// ANCHOR: open
/// Connects to the page and the event channel that the domain's builder has prepared.
pub(crate) fn open(start_info: &StartInfo<'_>) -> Result<(), PortError> {
    let pfn = console::bedrock::machine_to_physical(start_info.store_mfn);
    assert!(pfn.0 < start_info.nr_pages, "xenstore's page, {:?}, is not ours", start_info.store_mfn);
    // SAFETY: the builder maps this page with the rest of the boot memory, and nobody else uses it.
    let page = unsafe { StorePage::new(pfn.boot_address() as *mut u8) };
    let port = start_info.store_evtchn;
    *CONNECTION.lock() = Some(Connected { connection: Connection::new(page), port });
    core::mem::forget(port::adopt(port, |_| pump(), 0)?); // for ever
    pump();
    Ok(())
}
// ANCHOR_END: open

/// Moves what can be moved: the handler of the daemon's events.
fn pump() {
    if let Some(connected) = &mut *CONNECTION.lock() {
        connected.pump();
    }
}

impl Connected {
    fn pump(&mut self) {
        if self.connection.pump() {
            let _ = console::xen::notify(self.port); // closed: then there is no daemon, and calls time out
        }
    }
}

/// Runs something on the connection, and then moves what can be moved.
pub(crate) fn with_connection<T>(
    run: impl FnOnce(&mut Connection<StorePage>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut guard = CONNECTION.lock();
    let connected = guard.as_mut().ok_or(StoreError::Disconnected)?;
    let result = run(&mut connected.connection);
    connected.pump();
    result
}

/// What came from the daemon that nobody waited for.
pub fn counts() -> Counts {
    CONNECTION.lock().as_ref().map(|connected| connected.connection.counts()).unwrap_or_default()
}

/// A view of xenstore: as everybody sees it, or as one transaction does.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    transaction: u32,
}

impl Store {
    /// Xenstore as everybody sees it.
    pub const fn shared() -> Self {
        Self { transaction: 0 }
    }

    /// Xenstore as this transaction sees it.
    pub const fn within(TransactionId(transaction): TransactionId) -> Self {
        Self { transaction }
    }

    /// Makes a request, for whose reply one can wait, or `await`.
    ///
    /// # Errors
    /// If it can't be sent: see [`protocol::encode`].
    pub fn ask(self, request: &Request<'_>) -> Result<Pending, StoreError> {
        let transaction = match request {
            // These are about no transaction's view.
            Request::TransactionStart | Request::Watch { .. } | Request::Unwatch { .. } => 0,
            _ => self.transaction,
        };
        with_connection(|connection| connection.ask(request, transaction)).map(|(id, call)| Pending { id, call })
    }

    fn answer(self, request: &Request<'_>) -> Reply {
        self.ask(request)?.wait()
    }

    /// The value of a node.
    ///
    /// # Errors
    /// As all of these: what keeps the request from being sent, or what the daemon says to it.
    pub fn read(self, path: &str) -> Result<Vec<u8>, StoreError> {
        self.answer(&Request::Read(path))
    }

    /// [`read`](Self::read) for a task. Every other request can be `await`ed, too: see [`ask`](Self::ask).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_async(self, path: &str) -> Result<Vec<u8>, StoreError> {
        self.ask(&Request::Read(path))?.answer().await
    }

    /// [`write`](Self::write) for a task.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn write_async(self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        self.ask(&Request::Write { node: path, value })?.answer().await.map(drop)
    }

    /// The value of a node that holds text.
    ///
    /// # Errors
    /// Also [`StoreError::Garbled`] if it isn't UTF-8.
    pub fn read_text(self, path: &str) -> Result<String, StoreError> {
        parse_text(self.read(path)?)
    }

    /// The value of a node that holds a decimal number.
    ///
    /// # Errors
    /// Also [`StoreError::Garbled`] if it holds none.
    pub fn read_number(self, path: &str) -> Result<u64, StoreError> {
        parse_number(self.read(path)?)
    }

    /// The values of many nodes. All of them are asked for before the first answer is waited for, so that the daemon and its
    /// domain needn't be woken for each.
    pub fn read_all<const N: usize>(self, paths: [&str; N]) -> [Reply; N] {
        paths.map(|path| self.ask(&Request::Read(path))).map(|asked| asked?.wait())
    }

    /// Gives a node a value. It is made where there is none, and so are the nodes above it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        self.answer(&Request::Write { node: path, value }).map(drop)
    }

    /// Gives many nodes their values, asked for like [`read_all`](Self::read_all).
    ///
    /// # Errors
    /// As [`read`](Self::read): the first that there is.
    pub fn write_all<'a>(self, nodes: impl IntoIterator<Item = (String, &'a [u8])>) -> Result<(), StoreError> {
        let ask = |(node, value): (String, &[u8])| self.ask(&Request::Write { node: &node, value });
        let asked = nodes.into_iter().map(ask).collect::<Result<Vec<Pending>, StoreError>>()?;
        asked.into_iter().try_for_each(|pending| pending.wait().map(drop))
    }

    /// Makes a node without a value. It may be there already.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn make_directory(self, path: &str) -> Result<(), StoreError> {
        self.answer(&Request::MakeDirectory(path)).map(drop)
    }

    /// Removes a node and all below it.
    ///
    /// # Errors
    /// As [`read`](Self::read). It is none if the node isn't there, as long as the one above it is.
    pub fn remove(self, path: &str) -> Result<(), StoreError> {
        self.answer(&Request::Remove(path)).map(drop)
    }

    /// The names of a node's children, however many there are.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn directory(self, path: &str) -> Result<Vec<String>, StoreError> {
        match self.answer(&Request::Directory(path)) {
            Ok(payload) => protocol::parse_strings(&payload),
            Err(StoreError::Refused(Refusal::TooLarge)) => match self.directory_by_parts(path) {
                // Oxenstored has no parts. Then it is as it was said first.
                Err(StoreError::Refused(Refusal::Unknown)) => Err(StoreError::Refused(Refusal::TooLarge)),
                names => names,
            },
            Err(error) => Err(error),
        }
    }

    /// A directory that is too large for one message. If it changes meanwhile, reading it begins anew.
    fn directory_by_parts(self, path: &str) -> Result<Vec<String>, StoreError> {
        let deadline = after(PATIENCE);
        let ask = |offset| self.answer(&Request::DirectoryPart { node: path, offset });
        directory::join(ask, || threads::time::now() < deadline)
    }

    /// Who may do what with a node: `n0`, `r5`, `w5`, `b5`. The first is the owner, and what all others may.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn permissions(self, path: &str) -> Result<Vec<String>, StoreError> {
        protocol::parse_strings(&self.answer(&Request::GetPermissions(path))?)
    }

    /// Changes who may do what with a node.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn set_permissions(self, path: &str, permissions: &[&str]) -> Result<(), StoreError> {
        self.answer(&Request::SetPermissions { node: path, permissions }).map(drop)
    }

    /// A domain's own folder.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn domain_path(self, domain: Domid) -> Result<String, StoreError> {
        let payload = self.answer(&Request::GetDomainPath(domain))?;
        protocol::parse_strings(&payload)?.into_iter().next().ok_or(StoreError::Garbled)
    }

    // ANCHOR: transaction
    /// Runs `body` in a transaction, again after each conflict with somebody else's.
    ///
    /// # Errors
    /// As [`transactions::run`].
    pub fn transaction<T>(self, mut body: impl FnMut(Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        transactions::run(&self, transactions::ATTEMPTS, &mut |id| body(Self::within(id)))
    }
    // ANCHOR_END: transaction
}

impl Nodes for Store {
    fn start(&self) -> Result<TransactionId, StoreError> {
        let payload = self.answer(&Request::TransactionStart)?;
        let number = protocol::parse_strings(&payload)?.first().and_then(|number| number.parse().ok());
        number.filter(|number| *number != 0).map(TransactionId).ok_or(StoreError::Garbled)
    }

    fn end(&self, transaction: TransactionId, commit: bool) -> Result<(), StoreError> {
        Self::within(transaction).answer(&Request::TransactionEnd { commit }).map(drop)
    }

    fn read(&self, transaction: TransactionId, path: &str) -> Result<Vec<u8>, StoreError> {
        Self::within(transaction).read(path)
    }

    fn write(&self, transaction: TransactionId, path: &str, value: &[u8]) -> Result<(), StoreError> {
        Self::within(transaction).write(path, value)
    }
}

/// The value of a node that holds text; see [`Store::read_text`].
///
/// # Errors
/// [`StoreError::Garbled`] if it isn't UTF-8.
pub fn parse_text(value: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(value).map_err(|_| StoreError::Garbled)
}

/// The value of a node that holds a decimal number; see [`Store::read_number`].
///
/// # Errors
/// [`StoreError::Garbled`] if it holds none.
pub fn parse_number(value: Vec<u8>) -> Result<u64, StoreError> {
    parse_text(value)?.trim().parse().map_err(|_| StoreError::Garbled)
}

/// A request that was made. Dropping it gives its reply up.
pub struct Pending {
    id: u32,
    call: Arc<Call>,
}

impl Pending {
    /// Sleeps until the reply is there.
    ///
    /// # Errors
    /// What the daemon says; [`StoreError::TimedOut`] after [`PATIENCE`].
    pub fn wait(self) -> Reply {
        self.call.wait(after(PATIENCE))
    }

    /// The same for a task. (To `await` the request itself sets no limit.)
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn answer(self) -> Reply {
        match executor::select(self, executor::sleep(PATIENCE)).await {
            Either::First(reply) => reply,
            Either::Second(_) => Err(StoreError::TimedOut),
        }
    }
}

impl Future for Pending {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        self.call.poll(context)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(connected) = &mut *CONNECTION.lock() {
            connected.connection.give_up(self.id);
        }
    }
}
