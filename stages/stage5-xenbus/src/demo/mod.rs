//! The demos of stage 5.

use console::demo::Demo;

/// What `app=` can name from this stage on.
pub const DEMOS: &[Demo] = &[];
