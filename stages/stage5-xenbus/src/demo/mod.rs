//! The demos of stage 5.

mod devices;
mod grants;
mod grow;
mod store;

use console::demo::Demo;
use console::options::{Key, Values};

/// What `app=` can name from this stage on.
pub const DEMOS: &[Demo] = &[
    Demo { name: "xenstore", keys: &[], run: store::xenstore },
    Demo { name: "watch", keys: WATCH, run: store::watch },
    Demo { name: "grants", keys: &[], run: grants::grants },
    Demo { name: "share", keys: &[Key { name: "patience", values: Values::Number }], run: grants::share },
    Demo { name: "grow", keys: &[Key { name: "frames", values: Values::Number }], run: grow::grow },
    Demo { name: "devices", keys: &[], run: devices::devices },
    Demo { name: "wait", keys: &[], run: devices::wait },
];

const WATCH: &[Key] = &[Key { name: "events", values: Values::Number }, Key { name: "rest", values: Values::Number }];
