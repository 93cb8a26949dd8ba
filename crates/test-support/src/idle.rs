//! Peers that hold connections and do nothing with them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// So many connections, each with this much of a request.
pub fn connections(address: &str, count: usize, sent: &str) -> Vec<TcpStream> {
    let one = || {
        let mut stream = TcpStream::connect(address).unwrap();
        // One that had to make room already may be gone.
        let _ = stream.write_all(sent.as_bytes());
        stream
    };
    std::iter::repeat_with(one).take(count).collect()
}

/// What the server sent to each before it closed it.
///
/// # Panics
/// When it has not closed all of them in time.
pub fn closed(connections: Vec<TcpStream>, within: Duration) -> Vec<String> {
    let end = Instant::now() + within;
    let all = connections.len();
    let each = connections.into_iter().enumerate().map(|(number, mut stream)| {
        let mut sent = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            stream.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 1024];
            match stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => sent.extend_from_slice(&bytes[..read]),
                Err(error) if is_late(&error) => panic!("{number} of {all} is still open"),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&sent).into_owned()
    });
    each.collect()
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
