//! Host tests of the exercises: a quick look before Xen is booted. They give no points.
