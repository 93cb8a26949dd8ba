//! Text: encodings and windows of lines.
