//! The demos of stage 7.

mod disk;
mod false_backend;
mod faults;
mod files;
mod hold;
mod journal;
mod notes;

use console::demo::Demo;

use crate::KEYS;

/// What `app=` can name from this stage on. The keys hold for every demo.
pub const DEMOS: &[Demo] = &[
    Demo { name: "disk", keys: disk::KEYS, run: disk::disk },
    Demo { name: "files", keys: KEYS, run: files::files },
    Demo { name: "journal", keys: &[], run: journal::journal },
    Demo { name: "notes", keys: notes::KEYS, run: notes::notes },
    Demo { name: "disk-faults", keys: &[], run: faults::faults },
    Demo { name: "disk-hold", keys: &[], run: hold::hold },
];
