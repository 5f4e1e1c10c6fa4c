//! The demos about grants: `app=grants`, `app=share`.
//!
//! A domain may grant a page to itself, so one guest can play both parts. The second demo leaves the other part to dom0.

use alloc::vec::Vec;
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;
use console::types::Domid;
use threads::thread;
use threads::time::after;

use crate::foreign::{End, Mapping, copy};
use crate::grant_entry::Access;
use crate::grants::{self, Grant, GrantError, SharedPage};
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
    let mut all = Vec::new();
    let refused = loop {
        // SAFETY: the page is nobody's, and is freed after the last grant has ended.
        match unsafe { Grant::new(own, page.first(), Access::ReadOnly) } {
            Ok(grant) => all.push(grant),
            Err(error) => break error,
        }
    };
    println!("{} references, then: {refused}", all.len());
    let ended = all.into_iter().filter_map(|grant| grant.end().ok()).count();
    let again = SharedPage::new(own, Access::ReadOnly).is_ok();
    println!("{ended} ended, and then one more: {again}");
    Ok(())
}

/// Shares a page with dom0, waits until it is mapped there, and then has so much patience, in milliseconds, to get it back.
pub(super) fn share(command_line: CommandLine<'_>) {
    let patience = command_line.get("patience").and_then(|patience| patience.parse().ok()).unwrap_or(60_000);
    let page = match SharedPage::new(Domid(0), Access::ReadWrite) {
        Ok(page) => page,
        Err(error) => return println!("share: {error}"),
    };
    page.write(0, b"shared with dom0");
    println!("reference: {} for dom0", page.reference().0);
    while !page.is_mapped() {
        thread::sleep(Duration::from_millis(10));
    }
    println!("it is mapped");
    match page.revoke_until(after(Duration::from_millis(patience))) {
        Ok(run) => {
            // SAFETY: the page is ours alone again.
            let first = unsafe { run.address().read_volatile() };
            println!("it is ours again, and begins with {:?}", char::from(first));
        }
        Err(busy) => {
            drop(busy);
            println!("it is still mapped, and put aside: {}", grants::statistics().deferred);
            while grants::retry_deferred() > 0 {
                thread::sleep(Duration::from_millis(10));
            }
            println!("nothing is put aside any more");
        }
    }
}
