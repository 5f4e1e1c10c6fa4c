//! The demo about grants: `app=grants`.
//!
//! A domain may grant a page to itself, so one guest can play both parts.

use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;
use console::types::Domid;

use crate::foreign::{End, Mapping, copy};
use crate::grant_entry::Access;
use crate::grants::{self, GrantError, GrantRef, SharedPage};
use crate::store::Store;

/// Shares, maps, copies and revokes pages, until there is nothing left to share.
pub(super) fn grants(_: CommandLine<'_>) {
    if let Err(error) = try_everything() {
        println!("grants: {error}");
    }
}

fn try_everything() -> Result<(), GrantError> {
    let own = Domid(Store::shared().read_number("domid").unwrap_or(0) as u16);
    let pages = [SharedPage::new(own, Access::ReadWrite)?, SharedPage::new(own, Access::ReadWrite)?];
    let references = [pages[0].reference(), pages[1].reference()];
    pages[1].write(0, b"seen through a grant");

    let mapping = Mapping::new(own, &references, Access::ReadWrite)?;
    let mut seen = [0; 20];
    for (index, byte) in seen.iter_mut().enumerate() {
        // SAFETY: within the second page of the mapping.
        *byte = unsafe { mapping.address().wrapping_add(4096 + index).read_volatile() };
    }
    println!("mapped: {}", seen.escape_ascii());
    let [first, second] = pages;
    println!("mapped by somebody: {}", first.is_mapped());
    let first = match first.revoke() {
        Ok(_) => {
            println!("revoked while it was mapped: yes");
            return Ok(());
        }
        Err(page) => page,
    };
    println!("revoked while it was mapped: no");
    drop(mapping);
    println!("revoked once it is not: {}", first.revoke().is_ok());
    let half = Mapping::new(own, &references, Access::ReadOnly).map(|_| ());
    println!("mapping both again: {}", half.err().map_or_else(|| "works".into(), |error| alloc::format!("{error}")));
    println!("the other is mapped then: {}", second.is_mapped());

    if let Ok(target) = memory::frames::allocate_zeroed(1) {
        let source = (End::Granted(own, second.reference()), 5);
        // SAFETY: the target is a page of this function's own.
        let copied = unsafe { copy(source, (End::Own(target.first()), 100), 15) };
        let mut bytes = [0; 15];
        for (index, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: within the page.
            *byte = unsafe { target.address().wrapping_add(100 + index).read_volatile() };
        }
        println!("copied: {} ({})", bytes.escape_ascii(), copied.is_ok());
        // SAFETY: as above.
        let beyond = unsafe { copy(source, (End::Own(target.first()), 4090), 15) };
        println!("copied beyond the end of a page: {}", if beyond.is_ok() { "yes" } else { "no" });
    }
    exhaust(own)
}

/// Takes references until there are none. It takes one page, granted very often.
fn exhaust(own: Domid) -> Result<(), GrantError> {
    let page = memory::frames::allocate_zeroed(1).map_err(|_| GrantError::OutOfMemory)?;
    let mut all: Vec<GrantRef> = Vec::new();
    let refused = loop {
        // SAFETY: the page is nobody's, and is freed after the last grant has ended.
        match unsafe { grants::grant(own, page.first(), Access::ReadOnly) } {
            Ok(reference) => all.push(reference),
            Err(error) => break error,
        }
    };
    println!("{} references, then: {refused}", all.len());
    let ended = all.iter().filter(|reference| grants::end(**reference).is_ok()).count();
    let again = SharedPage::new(own, Access::ReadOnly).is_ok();
    println!("{ended} ended, and then one more: {again}");
    Ok(())
}
