//! A disk's backend that does what it likes: see `hostile` in the stage.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    blkfront::hostile::play(data);
});
