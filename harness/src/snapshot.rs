//! For tests of texts: compares one with its file in `harness/snapshots`, wherever in the sources the test is.

/// Asserts that a text is the one in `harness/snapshots/<name>.snap`.
macro_rules! assert_text {
    ($name:expr, $text:expr) => {
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!($name, $text) })
    };
}
