//! The other end of a guest's connections: takes a mebibyte, or gives one, as often as it is asked.
//!
//! A byte from the guest says what it wants, [`TAKE`] or [`GIVE`]. What was taken is confirmed by a byte when all of it is
//! there.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Where it listens.
pub const PORT: u16 = 5001;
/// dom0's address on the guests' bridge.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
/// Bytes that go in either direction.
pub const LENGTH: usize = 1 << 20;
/// The guest sends.
pub const TAKE: u8 = b't';
/// The guest receives.
pub const GIVE: u8 = b'g';

/// Serves one guest after the other, for ever.
pub fn serve() -> Result<(), String> {
    let listener = TcpListener::bind((ADDRESS, PORT)).map_err(|error| format!("port {PORT}: {error}"))?;
    // However a guest ends, the next one comes.
    listener.incoming().for_each(|guest| drop(guest.and_then(converse)));
    Ok(())
}

fn converse(mut guest: TcpStream) -> io::Result<()> {
    guest.set_nodelay(true)?;
    let mut bytes = vec![0; LENGTH];
    loop {
        let mut wish = [0];
        guest.read_exact(&mut wish)?;
        match wish[0] {
            TAKE => {
                guest.read_exact(&mut bytes)?;
                guest.write_all(&wish)?;
            }
            GIVE => guest.write_all(&bytes)?,
            _ => return Ok(()),
        }
    }
}
