//! The program of stage 4.
fn main() {}
