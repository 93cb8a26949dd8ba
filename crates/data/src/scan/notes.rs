//! What is odd about rows, counted, with the first places.

/// Places that are named.
const NAMED: usize = 5;

/// Rows of one kind.
#[derive(Debug, Default)]
pub(super) struct Odd {
    count: u64,
    lines: Vec<u64>,
}

impl Odd {
    pub(super) fn add(&mut self, line: u64) {
        self.count += 1;
        if self.lines.len() < NAMED {
            self.lines.push(line);
        }
    }

    /// A sentence about them: `3 rows {what} (lines 4, 9, 12)`; none where there are none.
    pub(super) fn note(&self, what: &str) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
        let more = if self.count > self.lines.len() as u64 { ", …" } else { "" };
        let (rows, at) = if self.count == 1 { ("row", "line") } else { ("rows", "lines") };
        Some(format!("{} {rows} {what} ({at} {}{more})", self.count, lines.join(", ")))
    }
}
