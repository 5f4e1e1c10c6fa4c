//! What stands in the slots of a network interface's two rings.
//!
//! Follows Xen's `public/io/netif.h`. One ring is for frames that we send (*tx*), one for frames that we receive (*rx*). Frames lie in
//! pages that are granted; the rings hold references.
//!
//! | | offset | field |
//! |---|---|---|
//! | tx request, 12 bytes | 0, 4, 6, 8, 10 | `gref` u32, `offset` u16, `flags` u16, `id` u16, `size` u16 |
//! | tx response | 0, 2 | `id` u16, `status` i16 |
//! | rx request, 8 bytes | 0, 4 | `id` u16, `gref` u32 |
//! | rx response | 0, 2, 4, 6 | `id` u16, `offset` u16, `flags` u16, `status` i16 |
//!
//! Invariant: a response is a copy that was fetched once; what it says was believed by nobody yet.

use xenbus::grants::GrantRef;

/// Bytes in a slot of the tx ring.
pub const TX_SLOT: usize = 12;
/// Bytes in a slot of the rx ring.
pub const RX_SLOT: usize = 8;

/// Slots that every backend takes for one frame (`XEN_NETIF_NR_SLOTS_MIN`).
pub const MOST_SLOTS: usize = 18;
/// The longest frame: lengths have 16 bits.
pub const LONGEST: usize = 65535;
/// Bytes in an Ethernet header: nothing shorter is a frame.
pub const SHORTEST: usize = 14;

bitflags::bitflags! {
    /// What is said about a part of a frame that is sent (`XEN_NETTXF_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct TxFlags: u16 {
        /// The checksum of TCP or UDP is still to be computed; its field has that of the pseudo header.
        const CHECKSUM_BLANK = 1;
        /// The data are known to be right.
        const VALIDATED = 2;
        /// The frame goes on in the next slot.
        const MORE = 4;
        /// The next slot says more about the frame.
        const EXTRA = 8;
    }

    /// What is said about a part of a frame that was received (`XEN_NETRXF_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct RxFlags: u16 {
        /// The data are known to be right.
        const VALIDATED = 1;
        /// Nobody has computed the checksum: the frame comes from this machine.
        const CHECKSUM_BLANK = 2;
        /// The frame goes on in the next slot.
        const MORE = 4;
        /// The next slot says more about the frame.
        const EXTRA = 8;
    }
}

/// A part of a frame to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxRequest {
    /// The page that it is in.
    pub reference: GrantRef,
    /// Where in that page it begins.
    pub offset: u16,
    /// What there is to say about it.
    pub flags: TxFlags,
    /// Comes back in the response.
    pub id: u16,
    /// Bytes in this part; in the first part those of the whole frame.
    pub size: u16,
}

impl TxRequest {
    /// As it stands in the slot.
    pub fn words(self) -> [u32; 3] {
        let pair = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
        [self.reference.0, pair(self.offset, self.flags.bits()), pair(self.id, self.size)]
    }
}

/// The slot that says how much data each segment of a frame has: segments of TCP over IPv4, sent as one (`XEN_NETIF_EXTRA_TYPE_GSO`).
pub fn segment_size(size: u16) -> [u32; 3] {
    const GSO: u32 = 1;
    const TCP_OVER_IPV4: u32 = 1;
    [GSO | u32::from(size) << 16, TCP_OVER_IPV4, 0]
}

/// What became of a part that was sent: a copy of a tx response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxResponse {
    /// That of the request.
    pub id: u16,
    /// `OKAY`, or what went wrong.
    pub status: i16,
}

/// It was sent (`XEN_NETIF_RSP_OKAY`).
pub const OKAY: i16 = 0;
/// The answer to a slot that was no part of a frame; its id means nothing (`XEN_NETIF_RSP_NULL`).
pub const NULL: i16 = 1;

impl TxResponse {
    /// What these words say. (The third is the request's, left over.)
    pub fn new(words: [u32; 3]) -> Self {
        Self { id: words[0] as u16, status: (words[0] >> 16) as i16 }
    }
}

/// A page that is offered for a frame to be received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxRequest {
    /// Comes back in the response.
    pub id: u16,
    /// The page.
    pub reference: GrantRef,
}

impl RxRequest {
    /// As it stands in the slot.
    pub fn words(self) -> [u32; 2] {
        [u32::from(self.id), self.reference.0]
    }
}

/// A part of a frame that was received: a copy of an rx response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxResponse {
    /// That of the request whose page was used.
    pub id: u16,
    /// Where in that page the part begins.
    pub offset: u16,
    /// What there is to say about it.
    pub flags: RxFlags,
    /// How many bytes it has; an error if negative.
    pub status: i16,
}

impl RxResponse {
    /// What these words say.
    pub fn new(words: [u32; 2]) -> Self {
        let [low, high] = words;
        let flags = RxFlags::from_bits_truncate(high as u16);
        Self { id: low as u16, offset: (low >> 16) as u16, flags, status: (high >> 16) as i16 }
    }

    /// The flags of a slot that says more about a frame (`struct netif_extra_info`): whether another such slot follows.
    pub fn more_extra(words: [u32; 2]) -> bool {
        (words[0] >> 8) & 1 != 0
    }
}
