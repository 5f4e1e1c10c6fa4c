//! The sizes that the heap keeps ready.
//!
//! Invariant: a block of a class is as aligned as its size is: the largest power of two that divides it.

use core::alloc::Layout;

/// Bytes in a block of each class.
const SIZES: [usize; CLASSES] = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048];

/// How many classes there are.
pub const CLASSES: usize = 14;

/// The largest size that has a class.
pub const LARGEST: usize = 2048;

const STEP: usize = 16;

/// For each multiple of 16 bytes, the class.
static BY_SIZE: [u8; LARGEST / STEP + 1] = {
    let mut table = [0; LARGEST / STEP + 1];
    let (mut index, mut class) = (0, 0);
    while index < table.len() {
        if index * STEP > SIZES[class] {
            class += 1;
        }
        table[index] = class as u8;
        index += 1;
    }
    table
};

/// The smallest class whose blocks are large enough, and aligned enough. `None`: too large.
#[inline]
pub fn of(layout: Layout) -> Option<usize> {
    if layout.size() > LARGEST {
        return None;
    }
    let class = usize::from(BY_SIZE[layout.size().div_ceil(STEP)]);
    if layout.align() <= STEP { Some(class) } else { aligned(class, layout.align()) }
}

/// The next class whose blocks are so aligned.
#[cold]
fn aligned(class: usize, align: usize) -> Option<usize> {
    (class..CLASSES).find(|class| alignment(*class) >= align)
}

/// Bytes in a block.
#[inline]
pub const fn size(class: usize) -> usize {
    SIZES[class]
}

/// What each block's address is a multiple of.
pub fn alignment(class: usize) -> usize {
    1 << SIZES[class].trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_the_smallest_class_that_holds_it() {
        for size in 0..=LARGEST {
            let class = of(Layout::from_size_align(size, 1).unwrap()).unwrap();
            assert!(SIZES[class] >= size && (class == 0 || SIZES[class - 1] < size), "{size}");
        }
        assert_eq!(of(Layout::from_size_align(LARGEST + 1, 1).unwrap()), None);
    }

    #[test]
    fn a_block_is_aligned_as_asked() {
        for align in (0..=11).map(|bits| 1 << bits) {
            for size in [1, 48, 100, 1000, 2048] {
                let class = of(Layout::from_size_align(size, align).unwrap()).unwrap();
                assert!(alignment(class) >= align && SIZES[class] >= size);
            }
        }
        assert_eq!(of(Layout::from_size_align(16, 4096).unwrap()), None);
    }
}
