//! The states of a device's two halves, and what a frontend does in which.
//!
//! Follows `enum xenbus_state` in Xen's `public/io/xenbus.h`, and what Linux's frontends and backends do. A device is two
//! drivers in two domains: the *backend* has the hardware, the *frontend* uses it. Each has a folder in xenstore with a node
//! `state` that only it writes, and watches the other's. They say where they are, in turn, until they are connected:
//!
//! | backend | frontend | |
//! |---|---|---|
//! | 1 Initialising | 1 Initialising | the toolstack has made the device |
//! | 2 InitWait | | it waits for the frontend's details |
//! | | 3 Initialised | details published: ring, event channel |
//! | 4 Connected | | it has mapped the ring, and published its own details |
//! | | 4 Connected | it has read them: both work |
//! | 5 Closing | | somebody detaches the device |
//! | | 5 Closing, 6 Closed | it has taken everything back |
//! | 6 Closed | | the folders go |
//!
//! A network frontend skips state 3 ([`Style::InOneStep`]): it says Connected when it has published. What a frontend does:
//!
//! | backend | own state | action | afterwards |
//! |---|---|---|---|
//! | Unknown, Closed | Initialising, Closed | `Wait` | |
//! | Unknown, Closed | any other | `Release` | Closed |
//! | Initialising | Initialising | `Wait` | |
//! | Initialising, InitWait | Closed | `Restart` | Initialising |
//! | InitWait | Initialising | `Publish` | Initialised; in one step: Connected |
//! | InitWait | that state already | `Wait` | |
//! | Initialising, InitWait | any other: the backend has begun anew | `Release` | Closed |
//! | Initialised | any | `Wait` | |
//! | Connected | Initialised, Connected | `Connect` | Connected |
//! | Connected | Initialising: connected with whoever was here before | `Release` | Closed |
//! | Closing | Closed | `Wait` | |
//! | Closing | any other | `Release` | Closed |
//! | Reconfiguring | Connected | `Pause` | Reconfiguring |
//! | Reconfigured | Reconfiguring | `Resume` | Connected |
//! | Connected, Reconfiguring, Reconfigured | any other | `Wait` | |
//!
//! `Wait` leaves the state as it is. A backend without a `state` node is Unknown.
//!
//! Invariant: what the backend can reach is taken back between Closing and Closed, whatever goes wrong.

use core::fmt;

use crate::handshake as exercise;

/// Where a half of a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "named as in the header, and explained above")]
#[repr(u8)]
pub enum State {
    Unknown = 0,
    Initialising = 1,
    InitWait = 2,
    Initialised = 3,
    Connected = 4,
    Closing = 5,
    Closed = 6,
    Reconfiguring = 7,
    Reconfigured = 8,
}

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Initialising,
        Self::InitWait,
        Self::Initialised,
        Self::Connected,
        Self::Closing,
        Self::Closed,
        Self::Reconfiguring,
        Self::Reconfigured,
    ];

    /// What a node `state` says. Anything that is no state's number is Unknown.
    pub fn parse(value: &[u8]) -> Self {
        let number = core::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<usize>().ok());
        number.and_then(|number| Self::ALL.get(number)).copied().unwrap_or(Self::Unknown)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How a frontend connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// It says Initialised when it has published, and Connected when it has read the backend's details: disks.
    InTwoSteps,
    /// It says Connected when it has published: networks.
    InOneStep,
}

/// What a frontend does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    Wait,
    /// Make the rings and publish where they are.
    Publish,
    /// Read what the backend has published. Again where it says Connected again: a disk has another size.
    Connect,
    /// Stop using the device for a while.
    Pause,
    /// Go on.
    Resume,
    /// Take everything back.
    Release,
    /// Begin anew.
    Restart,
}

/// What a frontend does, and the state that it is in afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// The state afterwards.
    pub state: State,
}

// ANCHOR: frontend
/// A frontend and its folder in xenstore: what exercise 5d works with. The checks have one that notes each call.
pub trait Frontend {
    /// Why something can't be done.
    type Error;

    /// Makes the rings, and keeps their details to be told with the next state.
    ///
    /// # Errors
    /// If there is no memory, no port, no grant reference.
    fn publish(&mut self) -> Result<(), Self::Error>;

    /// Reads the backend's details.
    ///
    /// # Errors
    /// If they make no sense.
    fn connect(&mut self) -> Result<(), Self::Error>;

    /// Stops using the device.
    fn pause(&mut self);

    /// Goes on using it.
    ///
    /// # Errors
    /// If that is no longer possible.
    fn resume(&mut self) -> Result<(), Self::Error>;

    /// Takes back everything that the backend can reach.
    fn release(&mut self);

    /// Writes the state to xenstore, and what was published, in one transaction.
    ///
    /// # Errors
    /// If xenstore refuses.
    fn tell(&mut self, state: State) -> Result<(), Self::Error>;

    /// Says where people will look why the device doesn't work.
    fn complain(&mut self, error: Self::Error);
}
// ANCHOR_END: frontend

/// What a frontend does when its backend is in this state; exercise 5d. The table of this module says it.
pub fn step(own: State, backend: State, style: Style) -> Step {
    exercise::step(own, backend, style)
}

/// Does what [`step`] said; exercise 5d. Returns the state that the frontend is in afterwards.
pub fn perform(frontend: &mut impl Frontend, own: State, step: Step) -> State {
    exercise::perform(frontend, own, step)
}
