//! The demos of stage 7.

mod disk;
mod files;
mod hold;
mod journal;

use console::demo::Demo;
use console::options::{Key, Values};

const ON_OFF: Values = Values::OneOf(&["on", "off"]);

/// What `app=` can name from this stage on. The keys hold for every demo.
pub const DEMOS: &[Demo] = &[
    Demo {
        name: "disk",
        keys: &[
            Key { name: "seed", values: Values::Number },
            Key { name: "disk-persistent", values: ON_OFF },
            Key { name: "disk-indirect", values: ON_OFF },
            Key { name: "disk-flush", values: ON_OFF },
            Key { name: "disk-discard", values: ON_OFF },
            Key { name: "disk-ring-order", values: Values::Number },
            Key { name: "disk-queues", values: Values::Number },
        ],
        run: disk::disk,
    },
    Demo { name: "files", keys: &[], run: files::files },
    Demo { name: "journal", keys: &[], run: journal::journal },
    Demo { name: "disk-hold", keys: &[], run: hold::hold },
];
