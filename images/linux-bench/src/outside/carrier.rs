//! When dom0's end of a guest's interface gets a carrier: netback has connected it, and frames go through from now on.
//!
//! Follows Linux's `rtnetlink`: a socket in the group of links gets a message for each change of one. What has changed is
//! read from sysfs, so that no message has to be understood. Invariant: nothing is asked while nothing changes, as dom0 has
//! other things to do.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// `RTMGRP_LINK`.
const LINKS: u32 = 1;

/// Notices changes of links.
pub struct Changes(OwnedFd);

impl Changes {
    /// All changes from here on.
    pub fn watch() -> Result<Self, String> {
        // No protocol is 0, which is `NETLINK_ROUTE`.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::NONBLOCK, None);
        let socket = socket.map_err(|error| format!("netlink: {error}"))?;
        bind(&socket, &SocketAddrNetlink::new(0, LINKS)).map_err(|error| format!("netlink: {error}"))?;
        Ok(Self(socket))
    }

    /// Waits until the domain's first interface has a carrier.
    pub fn until_connected(&self, domain: u16, limit: Duration) -> Result<(), String> {
        let carrier = format!("/sys/class/net/vif{domain}.0/carrier");
        let begin = Instant::now();
        // While the interface is down, it can't be read.
        while !std::fs::read(&carrier).is_ok_and(|said| said.starts_with(b"1")) {
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(format!("vif{domain}.0 has no carrier after {} s", limit.as_secs()));
            }
            let mut wait = [PollFd::new(&self.0, PollFlags::IN)];
            poll(&mut wait, Timespec::try_from(left).ok().as_ref()).map_err(|error| error.to_string())?;
            while recv(&self.0, &mut [0; 4096], RecvFlags::empty()).is_ok() {}
        }
        Ok(())
    }
}
