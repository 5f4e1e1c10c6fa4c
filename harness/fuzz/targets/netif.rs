//! A network backend that does what it likes: see `hostile` in the stage.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    netfront::hostile::play(data);
});
