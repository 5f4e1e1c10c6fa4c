//! Tests of the rings with a backend of their own.
