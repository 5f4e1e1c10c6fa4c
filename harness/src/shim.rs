//! Temporary.
use crate::guest::symbolize::Symbolizer;
/// x
pub struct Annotator;
impl Annotator {
    /// x
    pub fn open(_: &std::path::Path, _: &std::path::Path) -> crate::error::Result<Self> { Ok(Self) }
    /// x
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> { bytes.to_vec() }
    /// x
    pub fn finish(&mut self) -> Vec<u8> { Vec::new() }
}
/// x
pub fn explain_crash(_log: &str, _s: &Symbolizer) -> Option<String> { None }
