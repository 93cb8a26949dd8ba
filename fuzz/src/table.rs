//! Any bytes as Parquet and as Avro: reading ends, keeps to its bounds of time and memory, and what
//! fails inside of a decoder is told as damage of the file. The first byte chooses between the
//! beginning and the end.

use std::io::Cursor;
use std::time::Duration;

use mcp_workspace_data::{Kind, Window, read_table};
use mcp_workspace_stop::StopSignal;

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let offset = if first & 1 == 0 { 1 } else { -3 };
    let cost = |row: &str, _| row.len();
    let window = Window { offset, limit: 50, room: 10_000, cost, budget: 1 << 20 };
    let stop = StopSignal::new(Duration::from_secs(5));
    for kind in [Kind::Parquet, Kind::Avro] {
        let input = Box::new(Cursor::new(bytes.to_vec()));
        if let Ok(table) = read_table(kind, input, bytes.len() as u64, &window, &stop) {
            let length: usize = table.rows.rows.iter().map(|(_, row)| row.len()).sum();
            assert!(table.rows.rows.len() <= 50, "{} rows", table.rows.rows.len());
            assert!(length <= 30_000, "{length} bytes");
        }
    }
}
