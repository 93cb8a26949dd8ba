//! Any bytes as Parquet and as Avro: reading ends, keeps to its bounds of time and memory, and
//! what fails inside of a decoder is told as damage of the file.
#![no_main]

use std::io::Cursor;
use std::sync::Once;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mcp_workspace_data::{Kind, Window, read_table};
use mcp_workspace_stop::StopSignal;

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // The fuzzer would take a panic that is caught for a crash.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Some((first, bytes)) = bytes.split_first() else { return };
    let offset = if first & 1 == 0 { 1 } else { -3 };
    let cost = |row: &str, _| row.len();
    let window = Window { offset, limit: 50, room: 10_000, cost, budget: 1 << 20 };
    let stop = StopSignal::new(Duration::from_secs(5));
    for kind in [Kind::Parquet, Kind::Avro] {
        let input = Box::new(Cursor::new(bytes.to_vec()));
        if let Ok(table) = read_table(kind, input, bytes.len() as u64, &window, &stop) {
            let length: usize = table.rows.rows.iter().map(|(_, row)| row.len()).sum();
            if table.rows.rows.len() > 50 || length > 30_000 {
                eprintln!("{} rows of {length} bytes", table.rows.rows.len());
                std::process::abort();
            }
        }
    }
});
