//! Lines of messages as far as they may be parsed: each is measured first, and what is over the
//! limits is told rather than passed on.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use mcp_workspace_json::{Exceeded, Limits, id_at_end, id_of, measure};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};
use tokio::sync::mpsc;

/// What is kept of each end of a line that is too long, to find its id in.
const END_BYTES: usize = 4096;

/// A message that was not passed on.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) exceeded: Exceeded,
    /// The message's own, where it has one.
    pub(super) id: Option<Value>,
}

/// Reads lines and passes on those within the limits.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    limits: Limits,
    refusals: mpsc::Sender<Refusal>,
    line: Vec<u8>,
    /// The end of a line that is too long.
    tail: Vec<u8>,
    /// Bytes of the line so far, also of those that are not kept.
    length: usize,
    /// How much of the line has been passed on; none while it is being read.
    passed: Option<usize>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines of `from`; what is refused is sent to `refusals`, which must take one at a time.
    pub(super) fn new(from: R, limits: Limits, refusals: mpsc::Sender<Refusal>) -> Lines<R> {
        let from = BufReader::new(from);
        Lines {
            from,
            limits,
            refusals,
            line: Vec::new(),
            tail: Vec::new(),
            length: 0,
            passed: None,
        }
    }

    /// Keeps bytes of a line, as far as they may be needed.
    fn keep(line: &mut Vec<u8>, tail: &mut Vec<u8>, is_long: bool, bytes: &[u8]) {
        if !is_long {
            line.extend_from_slice(bytes);
            return;
        }
        line.truncate(END_BYTES);
        line.shrink_to(END_BYTES);
        let room = END_BYTES.saturating_sub(line.len());
        line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(END_BYTES));
    }

    /// Judges the line that is there whole.
    fn judge(&self) -> std::result::Result<(), Refusal> {
        // The line's end is not the message's.
        let ends = self.line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let mut size = measure(&self.line);
        size.bytes = self.length.saturating_sub(ends);
        let judged = self.limits.check(size);
        judged.map_err(|exceeded| Refusal {
            exceeded,
            id: id_of(&self.line).or_else(|| id_at_end(&self.tail)),
        })
    }

    fn begin_line(&mut self) {
        // A long line must not keep its memory.
        self.line = Vec::new();
        self.tail = Vec::new();
        self.length = 0;
        self.passed = None;
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(passed) = this.passed {
                let rest = this.line.get(passed..).unwrap_or_default();
                let bytes = rest.get(..to.remaining()).unwrap_or(rest);
                to.put_slice(bytes);
                if bytes.len() == rest.len() {
                    this.begin_line();
                } else {
                    this.passed = Some(passed + bytes.len());
                }
                return Poll::Ready(Ok(()));
            }
            let there = std::task::ready!(Pin::new(&mut this.from).poll_fill_buf(context))?;
            if there.is_empty() {
                // What has no end is no message.
                return Poll::Ready(Ok(()));
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(there.len(), |end| end + 1);
            this.length = this.length.saturating_add(taken);
            // With room for the line's end.
            let most = this.limits.bytes.saturating_add(2);
            let bytes = there.get(..taken).unwrap_or_default();
            Self::keep(&mut this.line, &mut this.tail, this.length > most, bytes);
            Pin::new(&mut this.from).consume(taken);
            if end.is_none() {
                continue;
            }
            match this.judge() {
                Ok(()) => this.passed = Some(0),
                Err(refusal) => {
                    this.begin_line();
                    // There is room for one, and whoever reads here answers it before it reads on.
                    let _ = this.refusals.try_send(refusal);
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMITS: Limits = Limits { bytes: 60, nodes: 5, depth: 3 };

    /// What is passed on of a text that comes in pieces, and the ids of what is refused.
    fn passed(text: &[u8], piece: usize) -> (Vec<u8>, Vec<Option<Value>>) {
        let (send, mut refusals) = mpsc::channel(1);
        let mut out = Vec::new();
        let mut ids = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut to, from) = tokio::io::duplex(piece);
            let text = text.to_vec();
            tokio::spawn(async move { to.write_all(&text).await.unwrap() });
            let mut lines = Lines::new(from, LIMITS, send);
            loop {
                let mut buffer = [0; 7];
                tokio::select! {
                    biased;
                    Some(refusal) = refusals.recv() => ids.push(refusal.id),
                    read = lines.read(&mut buffer) => match read.unwrap() {
                        0 => break,
                        read => out.extend_from_slice(&buffer[..read]),
                    },
                }
            }
        });
        (out, ids)
    }

    #[test]
    fn lines_over_a_limit_are_told_by_their_ids_and_the_others_pass() {
        let long = format!("{{\"id\":2,\"text\":\"{}\"}}\n", "x".repeat(9_000));
        let last = format!("{{\"text\":\"{}\",\"id\":\"end\"}}\n", "x".repeat(20_000));
        let text = format!(
            "{{\"id\":1}}\r\n{long}{{\"id\":3}}\n{last}{{\"id\":4,\"a\":[[[]]]}}\n[1,2,3,4,5]\n\n{{\"id\":5}}\n\
             cut off"
        );
        for piece in [1, 7, 10_000] {
            let (out, ids) = passed(text.as_bytes(), piece);
            assert_eq!(out, b"{\"id\":1}\r\n{\"id\":3}\n\n{\"id\":5}\n");
            let expected = [Some(2.into()), Some("end".into()), Some(4.into()), None];
            assert_eq!(ids, expected);
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_the_lines_within_the_limits(
            text in "([\\[\\]{}:,\"1a]{0,70}\\n){0,6}",
            piece in 1_usize..80,
        ) {
            let good = |line: &&str| LIMITS.check(measure(line.trim_end().as_bytes())).is_ok();
            let expected: String = text.split_inclusive('\n').filter(good).collect();
            let (out, ids) = passed(text.as_bytes(), piece);
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
            let refused = text.split_inclusive('\n').filter(|line| !good(line)).count();
            prop_assert_eq!(ids.len(), refused);
        }
    }
}
