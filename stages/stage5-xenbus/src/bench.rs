//! What stage 5 has to measure: grants, and the way to xenstore and back.
//!
//! A domain may grant to itself, so one guest plays both parts. Invariant: every grant that is made here has ended.

use console::bench::{Bencher, Benchmark};
use console::types::Domid;
use memory::frames;

use crate::foreign::{End, Mapping, copy};
use crate::grant_entry::Access;
use crate::grants::{Grant, SharedPage};
use crate::store::Store;

/// The last one wakes dom0.
pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "grant-end", run: grant_end },
    Benchmark { name: "grant-map-unmap", run: map_unmap },
    Benchmark { name: "grant-copy-4096", run: copy_page },
    Benchmark { name: "xenstore-read", run: xenstore_read },
];

fn own() -> Option<Domid> {
    Store::shared().read_number("domid").ok().and_then(|domid| u16::try_from(domid).ok()).map(Domid)
}

/// Measures what works. What doesn't has no figure.
fn while_it_works<T, E>(bencher: &mut Bencher, mut work: impl FnMut() -> Result<T, E>) {
    while bencher.wants_more() && bencher.time(&mut work).is_ok() {}
}

/// A page granted, and the grant ended. Nobody has mapped it, which the end has to make sure of.
fn grant_end(bencher: &mut Bencher) {
    let (Some(domain), Ok(page)) = (own(), frames::allocate_zeroed(1)) else { return };
    // SAFETY: the page is nobody's, and outlives the grant: `end` refuses nothing that is not mapped.
    let grant = || unsafe { Grant::new(domain, page.first(), Access::ReadWrite) };
    while_it_works(bencher, || grant().map_err(drop).and_then(|grant| grant.end().map_err(drop)));
}

/// A granted page made part of this guest's memory, and taken out of it.
fn map_unmap(bencher: &mut Bencher) {
    let Some(domain) = own() else { return };
    let Ok(page) = SharedPage::new(domain, Access::ReadWrite) else { return };
    let references = [page.reference()];
    while_it_works(bencher, || Mapping::new(domain, &references, Access::ReadWrite).map(drop));
}

/// 4096 bytes of a granted page, copied by Xen.
fn copy_page(bencher: &mut Bencher) {
    let Some(domain) = own() else { return };
    let (Ok(page), Ok(target)) = (SharedPage::new(domain, Access::ReadOnly), frames::allocate_zeroed(1)) else {
        return;
    };
    let source = End::Granted(domain, page.reference());
    // SAFETY: the target is a page of this function's own.
    while_it_works(bencher, || unsafe { copy((source, 0), (End::Own(target.first()), 0), 4096) });
}

/// A question to xenstore, and its answer: both ways, and what dom0 does for it.
fn xenstore_read(bencher: &mut Bencher) {
    while_it_works(bencher, || Store::shared().read("domid"));
}
