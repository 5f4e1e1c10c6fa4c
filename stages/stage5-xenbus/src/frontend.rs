//! The devices that this guest has, as they come and go.
//!
//! Follows `docs/misc/xenstore-paths.pandoc` and Xen's `public/io/xenbus.h`. Each device has a folder `device/<kind>/<name>`, with
//! the path of its backend's folder in it. The toolstack makes both, at boot or by `xl block-attach`, and removes them when the two
//! halves have said `Closed` to one another. One thread follows all of it; a driver only has to know its own kind.
//!
//! Events say that something has changed, and not how often. A guest that was paused, or only busy, may find a device with another
//! backend behind the same path, or the same backend at its beginning again. So what is believed is what is found, compared
//! with what was left: nobody but the toolstack sets our own state to Initialising.
//!
//! Invariant: a driver is asked to do one thing at a time, and what it published is released before its device is forgotten.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use console::lock::Lock;
use console::types::Domid;
use threads::sync::Mutex;
use threads::thread;

use crate::call::Reply;
use crate::grants::GrantError;
use crate::mailbox::Mailbox;
use crate::protocol::{Refusal, StoreError};
use crate::state::{self, Frontend, State, Style};
use crate::store::{self, Store};
use crate::watch::Watch;

/// Why a device doesn't work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceError {
    /// Xenstore refuses something.
    Store(StoreError),
    /// There is no page to share, or no reference.
    Grant(GrantError),
    /// There is no event channel.
    Port(events::port::PortError),
    /// The backend says something that makes no sense, or wants what the driver can't do.
    Backend(&'static str),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => fmt::Display::fmt(error, f),
            Self::Grant(error) => fmt::Display::fmt(error, f),
            Self::Port(error) => fmt::Display::fmt(error, f),
            Self::Backend(what) => f.write_str(what),
        }
    }
}

impl core::error::Error for DeviceError {}

impl From<StoreError> for DeviceError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<GrantError> for DeviceError {
    fn from(error: GrantError) -> Self {
        Self::Grant(error)
    }
}

impl From<events::port::PortError> for DeviceError {
    fn from(error: events::port::PortError) -> Self {
        Self::Port(error)
    }
}

/// A device, as xenstore describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// `vif`, `vbd` and the like.
    pub kind: &'static str,
    /// Its name among those of its kind: a number.
    pub name: String,
    /// Our folder for it.
    pub path: String,
    /// The backend's folder.
    pub backend: String,
    /// The domain that the backend is in.
    pub backend_domain: Domid,
}

impl Device {
    /// Reads nodes of the backend's folder that hold numbers; `None` where there is none.
    ///
    /// # Errors
    /// As [`Store::read_number`], but for a node that isn't there.
    pub fn backend_numbers<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<u64>; N], StoreError> {
        let mut numbers = [None; N];
        for (number, value) in numbers.iter_mut().zip(read_in(&self.backend, keys)) {
            match value {
                Err(StoreError::Refused(Refusal::NotFound)) => {}
                value => *number = Some(store::parse_number(value?)?),
            }
        }
        Ok(numbers)
    }
}

/// What is written into the device's folder: names and values.
pub type Details = Vec<(String, String)>;

// ANCHOR: driver
/// The driver of one device.
pub trait Driver: Send {
    /// Makes rings and event channels, and returns what the backend has to know.
    ///
    /// # Errors
    /// If there is no memory, no port, no grant reference.
    fn publish(&mut self, device: &Device) -> Result<Details, DeviceError>;

    /// The backend is connected, or has changed what it says about the device.
    ///
    /// # Errors
    /// If what it says makes no sense.
    fn connect(&mut self, device: &Device) -> Result<(), DeviceError>;

    /// The device rests for a while.
    fn pause(&mut self) {}

    /// It goes on.
    ///
    /// # Errors
    /// If that is no longer possible.
    fn resume(&mut self, device: &Device) -> Result<(), DeviceError> {
        self.connect(device)
    }

    /// The backend is going. Whatever it can reach has to be taken back.
    fn release(&mut self);
}
// ANCHOR_END: driver

/// A kind of device, and how its drivers are made.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The name of the folder below `device`.
    pub name: &'static str,
    /// How a driver connects.
    pub style: Style,
    /// Makes a driver for a device.
    pub make: fn(&Device) -> Box<dyn Driver>,
}

static KINDS: Lock<Vec<Kind>> = Lock::new(Vec::new());
static DEVICES: Mutex<Vec<Known>> = Mutex::new(Vec::new());
static WAKE: Lock<Option<Arc<Mailbox>>> = Lock::new(None);

/// The token of an event that is no watch's: somebody has registered a kind.
const REGISTERED: u32 = 0;

/// Has all devices of a kind driven from now on, those that are there and those that will come.
pub fn register(kind: Kind) {
    KINDS.lock().push(kind);
    if let Some(mailbox) = &*WAKE.lock() {
        mailbox.put(REGISTERED, "device", "device");
    }
}

/// The devices that have drivers, with their states.
pub fn list() -> Vec<(Device, State)> {
    DEVICES.lock().iter().map(|known| (known.device.clone(), known.state)).collect()
}

/// A device that has a driver.
struct Known {
    device: Device,
    style: Style,
    driver: Box<dyn Driver>,
    state: State,
    backend: State,
    watch: Watch,
    /// What has to be told with the next state.
    details: Details,
    /// The names of what was told before.
    published: Vec<String>,
}

/// Starts the thread that follows the devices. [`boot`](crate::boot) does; the second call does nothing.
///
/// # Errors
/// If there is no memory for it.
pub fn start() -> Result<(), thread::SpawnError> {
    let mailbox = {
        let mut wake = WAKE.lock();
        if wake.is_some() {
            return Ok(());
        }
        wake.insert(Arc::default()).clone()
    };
    thread::Builder::new().name("xenbus").spawn(move || follow(&mailbox)).map(drop)
}

// ANCHOR: follow
fn follow(mailbox: &Arc<Mailbox>) {
    let devices = match Watch::into_mailbox("device", mailbox) {
        Ok(watch) => watch,
        Err(error) => return log::error!("devices can't be followed: {error}"),
    };
    while let Ok(event) = mailbox.take(None) {
        let mut known = DEVICES.lock();
        let anew = known.iter().any(|known| known.watch.token() == event.token && known.was_made_anew());
        let of_devices = [devices.token(), REGISTERED].contains(&event.token);
        if anew || of_devices && matters(&event.path) {
            look_around(&mut known, mailbox);
        }
        for device in known.iter_mut().filter(|known| known.watch.token() == event.token) {
            device.follow_backend();
        }
    }
}
// ANCHOR_END: follow

/// Whether a change there may mean a device more or less, or another one. What is told about rings doesn't, and is most of it.
pub(crate) fn matters(path: &str) -> bool {
    let key = path.split('/').nth(3); // behind `device`, its kind, and its name
    key.is_none_or(|key| ["state", "backend", "backend-id"].contains(&key))
}

/// Reads nodes of a folder.
fn read_in<const N: usize>(folder: &str, keys: [&str; N]) -> [Reply; N] {
    let paths = keys.map(|key| format!("{folder}/{key}"));
    Store::shared().read_all(paths.each_ref().map(String::as_str))
}

/// Finds devices that are new, and those that are gone.
fn look_around(known: &mut Vec<Known>, mailbox: &Arc<Mailbox>) {
    let kinds: Vec<Kind> = KINDS.lock().clone();
    let present: Vec<(Kind, String)> = kinds
        .iter()
        .flat_map(|kind| {
            // Without any device of the kind there is no folder.
            let names = Store::shared().directory(&format!("device/{}", kind.name)).unwrap_or_default();
            names.into_iter().map(|name| (*kind, name))
        })
        .collect();
    known.retain_mut(|known| {
        let there = present.iter().any(|(kind, name)| kind.name == known.device.kind && *name == known.device.name);
        let stays = there && !known.was_made_anew();
        if !stays {
            known.forget();
        }
        stays
    });
    for (kind, name) in present {
        if known.iter().any(|known| known.device.kind == kind.name && known.device.name == name) {
            continue;
        }
        match Known::find(kind, &name, mailbox) {
            Ok(device) => known.push(device),
            // The toolstack has not written all of it yet, or removes it already: there will be another event.
            Err(StoreError::Refused(Refusal::NotFound)) => {}
            Err(error) => log::warn!("{} {name}: {error}", kind.name),
        }
    }
}

impl Known {
    fn find(kind: Kind, name: &str, mailbox: &Arc<Mailbox>) -> Result<Self, StoreError> {
        let path = format!("device/{}/{name}", kind.name);
        let [backend, domain, state] = read_in(&path, ["backend", "backend-id", "state"]);
        let (backend, domain) = (store::parse_text(backend?)?, store::parse_number(domain?)?);
        let state = State::parse(&state?);
        let backend_domain = Domid(u16::try_from(domain).map_err(|_| StoreError::Garbled)?);
        let watch = Watch::into_mailbox(&format!("{backend}/state"), mailbox)?;
        let device = Device { kind: kind.name, name: name.to_string(), path, backend, backend_domain };
        let driver = (kind.make)(&device);
        log::debug!("{} {name}: found, {state}", kind.name);
        let (style, backend, details, published) = (kind.style, State::Unknown, Details::new(), Vec::new());
        Ok(Self { device, style, driver, state, backend, watch, details, published })
    }

    // ANCHOR: made_anew
    /// Whether the toolstack has made another device under the same name.
    fn was_made_anew(&self) -> bool {
        let [state, backend] = read_in(&self.device.path, ["state", "backend"]);
        let begins = state.is_ok_and(|state| State::parse(&state) == State::Initialising);
        let moved = backend.is_ok_and(|backend| backend != self.device.backend.as_bytes());
        moved || (begins && self.state != State::Initialising)
    }

    /// Whether the backend has another driver, which begins and has not seen yet that we are connected. It goes on with the rings
    /// that it finds in our folder, where the first one stopped: to take them back now would be to pull them from under it.
    fn finds_us_connected(&self, before: State) -> bool {
        let begins = matches!(self.backend, State::Initialising | State::InitWait);
        begins && before.number() > State::InitWait.number() && self.state == State::Connected
    }
    // ANCHOR_END: made_anew

    /// Its folder is gone, or another device's.
    fn forget(&mut self) {
        if !matches!(self.state, State::Initialising | State::Closed) {
            self.driver.release();
        }
        log::info!("{} {}: gone", self.device.kind, self.device.name);
    }

    // ANCHOR: follow_backend
    fn follow_backend(&mut self) {
        let value = Store::shared().read(&format!("{}/state", self.device.backend)).unwrap_or_default();
        let before = core::mem::replace(&mut self.backend, State::parse(&value));
        if self.finds_us_connected(before) {
            return;
        }
        loop {
            let own = self.state;
            let step = state::step(own, self.backend, self.style);
            self.state = state::perform(self, own, step);
            if self.state == own {
                return;
            }
            let Device { kind, name, .. } = &self.device;
            log::info!("{kind} {name}: backend {}, {own} -> {}", self.backend, self.state);
            // One step a word of the backend's, except that whoever begins anew looks at once.
            if step.action != state::Action::Restart {
                return;
            }
        }
    }
    // ANCHOR_END: follow_backend
}

impl Frontend for Known {
    type Error = DeviceError;

    fn publish(&mut self) -> Result<(), DeviceError> {
        self.details = self.driver.publish(&self.device)?;
        Ok(())
    }

    fn connect(&mut self) -> Result<(), DeviceError> {
        self.driver.connect(&self.device)
    }

    fn pause(&mut self) {
        self.driver.pause();
    }

    fn resume(&mut self) -> Result<(), DeviceError> {
        self.driver.resume(&self.device)
    }

    fn release(&mut self) {
        self.driver.release();
        self.details.clear();
    }

    // ANCHOR: tell
    fn tell(&mut self, state: State) -> Result<(), DeviceError> {
        let path = &self.device.path;
        Store::shared().transaction(|store| {
            // A folder that was removed must not come back because of us, and in another device's we have nothing to say.
            let found = State::parse(&store.read(&format!("{path}/state"))?);
            if found == State::Initialising && self.state != State::Initialising {
                return Err(StoreError::Refused(Refusal::NotFound));
            }
            for key in stale(&self.published, &self.details) {
                match store.remove(&format!("{path}/{key}")) {
                    Ok(()) | Err(StoreError::Refused(Refusal::NotFound)) => {}
                    Err(error) => return Err(error),
                }
            }
            let details = self.details.iter().map(|(key, value)| (format!("{path}/{key}"), value.as_bytes()));
            let number = state.number().to_string();
            store.write_all(details.chain([(format!("{path}/state"), number.as_bytes())]))
        })?;
        if !self.details.is_empty() {
            self.published = self.details.drain(..).map(|(key, _)| key).collect();
        }
        Ok(())
    }
    // ANCHOR_END: tell

    fn complain(&mut self, error: DeviceError) {
        let Device { kind, name, path, .. } = &self.device;
        log::warn!("{kind} {name}: {error}");
        // Where Linux's frontends write, too; whether it works changes nothing.
        let _ = Store::shared().write(&format!("error/{path}/error"), error.to_string().as_bytes());
    }
}

/// What was told a backend and must not be found by the next one, as it isn't told again: folders, where nothing is left in them.
pub(crate) fn stale<'a>(before: &'a [String], details: &Details) -> Vec<&'a str> {
    if details.is_empty() {
        return Vec::new(); // they stand until there are others
    }
    let told = |key: &str| details.iter().any(|(told, _)| told == key);
    let used =
        |folder: &str| details.iter().any(|(told, _)| told.split_once('/').is_some_and(|(first, _)| first == folder));
    let gone = before.iter().filter(|key| !told(key));
    gone.map(|key| key.split_once('/').map(|(folder, _)| folder).filter(|folder| !used(folder)).unwrap_or(key))
        .collect()
}
