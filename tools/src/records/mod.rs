//! Records as they lie on disk.
