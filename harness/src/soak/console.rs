//! A flood on the console, compared byte by byte.
//!
//! The guest's `app=pattern` prints what its documentation foretells: line number n is n as eight hexadecimal digits, a
//! space, 53 letters of which number k is letter (7 n + k) modulo 26, and the line's end.

use super::Ground;
use crate::domain::Domain;
use crate::error::Result;

/// Bytes of a line.
const LINE: usize = 64;
/// What even a slow console passes on in a second. (xenconsoled holds back whoever prints more than 300 KiB.)
const BYTES_A_SECOND: f64 = 50e3;

/// Has a guest print so many bytes.
pub fn flood(ground: &mut Ground, count: u64) -> Result<String> {
    // Whole lines.
    let count = count.next_multiple_of(LINE as u64);
    let options = ground.guest(&format!("app=pattern size={count}"));
    let mut domain = Domain::create(ground.machine, &options)?;
    domain.power_off(ground.machine.within(60.0 + count as f64 / BYTES_A_SECOND))?;
    if domain.lost > 0 {
        return Err(domain.failed(&format!("printed {} bytes that were lost on the way", domain.lost)));
    }
    match difference(&domain.console, count as usize) {
        None => Ok(format!("{count} bytes arrived, each as it had to be")),
        Some(what) => Err(domain.failed(&what)),
    }
}

/// What a console has other than `count` bytes of the pattern between two lines.
fn difference(console: &[u8], count: usize) -> Option<String> {
    const FIRST: &[u8] = b"\r\n00000000 ";
    let Some(at) = console.windows(FIRST.len()).position(|part| part == FIRST) else {
        return Some("did not begin the pattern".into());
    };
    let printed = &console[at + 2..];
    let mut expected = (0..).flat_map(line);
    for (offset, byte) in printed.iter().take(count).enumerate() {
        let wanted = expected.next()?;
        if *byte != wanted {
            let (got, wanted) = (byte.escape_ascii(), wanted.escape_ascii());
            return Some(format!("printed `{got}` where `{wanted}` belongs, at byte {offset} of {count}"));
        }
    }
    let rest = printed.get(count..).unwrap_or_default();
    match printed.len() {
        short if short < count => Some(format!("printed {short} bytes of {count}")),
        _ if rest != b"bye: poweroff\r\n" => Some(format!("printed `{}` behind the pattern", rest.escape_ascii())),
        _ => None,
    }
}

fn line(number: u64) -> Vec<u8> {
    let letters = (0..53).map(|k| b'a' + ((7 * number + k) % 26) as u8);
    format!("{number:08x} ").into_bytes().into_iter().chain(letters).chain(*b"\r\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(lines: u64) -> Vec<u8> {
        let mut console = b"banner\r\n".to_vec();
        console.extend((0..lines).flat_map(line));
        console.extend(b"bye: poweroff\r\n");
        console
    }

    #[test]
    fn a_flood_that_arrived_whole_is_right() {
        assert_eq!(difference(&console(40), 40 * LINE), None);
    }

    #[test]
    fn a_byte_changed_missing_or_too_many_is_told() {
        let mut changed = console(40);
        changed[8 + 1000] ^= 1;
        assert!(difference(&changed, 40 * LINE).unwrap().contains("at byte 1000 of 2560"));
        let mut missing = console(40);
        missing.remove(500);
        assert!(difference(&missing, 40 * LINE).is_some());
        assert!(difference(&console(39), 40 * LINE).is_some());
        assert!(difference(&console(41), 40 * LINE).unwrap().contains("behind the pattern"));
        assert_eq!(difference(b"nothing", 64).unwrap(), "did not begin the pattern");
    }
}
