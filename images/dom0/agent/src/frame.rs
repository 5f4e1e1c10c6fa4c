//! Frames: how messages lie in the byte stream of the port.
//!
//! A frame is 16 bytes of header, all little-endian, and a postcard payload: magic (4 bytes), protocol version
//! (u16), zero (u16), payload length (u32), CRC-32 of the 12 bytes before it and the payload (u32).
//!
//! Invariant: a decoder holds at most one frame of [`MAX_PAYLOAD`] bytes and what one `push` brought. Bytes that
//! are no frame are skipped up to the next magic, and each such stretch is reported.

use crate::VERSION;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// The longest payload. A header that announces more is garbage.
pub const MAX_PAYLOAD: usize = 1 << 20;

const MAGIC: [u8; 4] = *b"SdAg";
const HEADER: usize = 16;

/// The frame that carries `message`.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION.to_le_bytes());
    let mut frame = postcard::to_extend(message, header.to_vec())
        .map_err(|error| format!("a message cannot be written: {error}"))?;
    let length = frame.len() - HEADER;
    if length > MAX_PAYLOAD {
        return Err(format!("a message of {length} bytes is longer than the {MAX_PAYLOAD} that a frame holds"));
    }
    frame[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    let crc = checksum(&frame);
    frame[12..16].copy_from_slice(&crc.to_le_bytes());
    Ok(frame)
}

/// The message in the payload of a frame.
pub fn decode<M: DeserializeOwned>(payload: &[u8]) -> Result<M, Garbage> {
    postcard::from_bytes(payload)
        .map_err(|error| Garbage { bytes: payload.len(), why: format!("a frame without a message: {error}") })
}

/// Bytes that are not what the protocol allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// How many bytes were skipped.
    pub bytes: usize,
    /// What is wrong with them.
    pub why: String,
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes skipped)", self.why, self.bytes)
    }
}

impl std::error::Error for Garbage {}

/// Finds frames in a stream of bytes.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Adds what was read. Call [`Decoder::next`] until it returns `None` before reading on.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next payload, or what lies there instead; `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<Vec<u8>, Garbage>> {
        match self.look() {
            Look::More => None,
            Look::Frame(end) => {
                let rest = self.buffer.split_off(end);
                let mut payload = std::mem::replace(&mut self.buffer, rest);
                payload.drain(..HEADER);
                Some(Ok(payload))
            }
            Look::Bad(why) => Some(Err(self.skip(why))),
        }
    }

    /// Whether a frame has begun and not ended.
    pub fn is_inside(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Gives up the frame that has begun, because its rest does not come.
    pub fn abandon(&mut self) -> Option<Garbage> {
        self.is_inside().then(|| self.skip("a frame that is cut short".into()))
    }

    fn look(&self) -> Look {
        let seen = self.buffer.len().min(MAGIC.len());
        if self.buffer[..seen] != MAGIC[..seen] {
            return Look::Bad("bytes that begin no frame".into());
        }
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Look::More };
        let [_, _, _, _, v0, v1, _, _, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Look::Bad(format!("a frame of protocol version {version}; this side speaks version {VERSION}"));
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_PAYLOAD {
            return Look::Bad(format!("a frame that claims {length} bytes"));
        }
        let Some(frame) = self.buffer.get(..HEADER + length) else { return Look::More };
        if checksum(frame) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Look::Bad("a frame whose checksum is wrong".into());
        }
        Look::Frame(frame.len())
    }

    /// Drops at least one byte, up to where the next frame may begin.
    fn skip(&mut self, why: String) -> Garbage {
        let tail = self.buffer.get(1..).unwrap_or_default();
        let begins = |at: &usize| {
            let rest = &tail[*at..];
            let seen = rest.len().min(MAGIC.len());
            rest[..seen] == MAGIC[..seen]
        };
        let bytes = 1 + (0..tail.len()).find(begins).unwrap_or(tail.len());
        self.buffer.drain(..bytes);
        Garbage { bytes, why }
    }
}

enum Look {
    More,
    Frame(usize),
    Bad(String),
}

fn checksum(frame: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&frame[..12]);
    crc.update(&frame[HEADER..]);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(decoder: &mut Decoder) -> Vec<Result<Vec<u8>, Garbage>> {
        std::iter::from_fn(|| decoder.next()).collect()
    }

    #[test]
    fn frames_survive_any_cut() {
        let mut stream = encode(&"one").unwrap();
        stream.extend(encode(&"two").unwrap());
        for cut in 0..=stream.len() {
            let mut decoder = Decoder::default();
            decoder.push(&stream[..cut]);
            let mut found = drain(&mut decoder);
            decoder.push(&stream[cut..]);
            found.extend(drain(&mut decoder));
            let words: Vec<String> = found.into_iter().map(|frame| decode(&frame.unwrap()).unwrap()).collect();
            assert_eq!(words, ["one", "two"]);
            assert!(!decoder.is_inside());
        }
    }

    #[test]
    fn garbage_before_and_between_frames_is_reported_and_skipped() {
        let frame = encode(&"kept").unwrap();
        let mut stream = b"noise SdA SdSdA".to_vec();
        stream.extend(&frame);
        stream.extend(b"login: ");
        stream.extend(&frame);
        let mut decoder = Decoder::default();
        decoder.push(&stream);
        let found = drain(&mut decoder);
        assert_eq!(found.iter().filter(|frame| frame.is_ok()).count(), 2);
        let skipped: usize = found.iter().filter_map(|frame| frame.as_ref().err()).map(|garbage| garbage.bytes).sum();
        assert_eq!(skipped, stream.len() - 2 * frame.len());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed_and_the_next_frame_is_found() {
        let frame = encode(&"kept").unwrap();
        for bit in 0..frame.len() * 8 {
            let mut stream = frame.clone();
            stream[bit / 8] ^= 1 << (bit % 8);
            stream.extend(&frame);
            let mut decoder = Decoder::default();
            decoder.push(&stream);
            let mut found = drain(&mut decoder);
            // A length that grew swallows what follows, until the reader finds that nothing more comes.
            while let Some(garbage) = decoder.abandon() {
                found.push(Err(garbage));
                found.extend(drain(&mut decoder));
            }
            assert!(found.iter().any(Result::is_err), "bit {bit}");
            assert_eq!(found.iter().filter(|frame| frame.is_ok()).count(), 1, "bit {bit}");
        }
    }

    #[test]
    fn lengths_and_versions_are_bounded() {
        let mut huge = encode(&"x").unwrap();
        huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut decoder = Decoder::default();
        decoder.push(&huge);
        assert!(decoder.next().unwrap().unwrap_err().why.contains("claims 4294967295 bytes"));
        let mut other = encode(&"x").unwrap();
        other[4] = 9;
        let mut decoder = Decoder::default();
        decoder.push(&other);
        assert!(decoder.next().unwrap().unwrap_err().why.contains("protocol version 9"));
        assert!(encode(&serde_bytes::ByteBuf::from(vec![0; MAX_PAYLOAD])).is_err());
    }

    #[test]
    fn noise_never_panics_and_is_never_kept() {
        let mut state = 1u32;
        let mut decoder = Decoder::default();
        for _ in 0..2000 {
            let noise: Vec<u8> = (0..97)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Few letters, so that the magic comes by chance.
                    b"SdAg\0\x01"[(state >> 24) as usize % 6]
                })
                .collect();
            decoder.push(&noise);
            for frame in drain(&mut decoder).into_iter().flatten() {
                assert!(decode::<crate::Call>(&frame).is_err());
            }
            assert!(decoder.buffer.len() <= MAX_PAYLOAD + HEADER + 97);
        }
    }
}
