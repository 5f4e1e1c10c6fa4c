fn main() { std::fs::write("/tmp/stardust-was-here", "x").unwrap(); }
