//! Patches: a strict reader, an exact applier, one canonical writer.
