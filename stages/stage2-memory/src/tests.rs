//! Host tests of the exercises.
