//! Progress of several agents. On a terminal each agent has one line that changes in place;
//! elsewhere each event is a line.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bedrock_agent::Watch;
use mcp_workspace_tools::name::Name;

use super::arguments::Progress;
use super::one_line;

/// Widest line where the terminal does not say.
const WIDTH: usize = 80;

/// Shows progress on stderr.
#[derive(Clone)]
pub(super) struct Display {
    shown: Arc<Mutex<Shown>>,
}

struct Shown {
    how: How,
    /// Each agent with what it did last.
    lines: Vec<(Name, String)>,
    /// Lines on the terminal that are to be written over.
    drawn: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    InPlace,
    Plain,
    Never,
}

impl Display {
    /// Shows progress as asked.
    pub(super) fn new(progress: Progress) -> Display {
        let how = match progress {
            Progress::Never => How::Never,
            Progress::Auto if std::io::stderr().is_terminal() => How::InPlace,
            Progress::Auto | Progress::Plain => How::Plain,
        };
        let shown = Shown { how, lines: Vec::new(), drawn: 0 };
        Display { shown: Arc::new(Mutex::new(shown)) }
    }

    /// Says something that is no agent's.
    pub(super) fn say(&self, text: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match shown.how {
            How::Never => return,
            How::Plain => format!("{text}\n"),
            How::InPlace => {
                let above = shown.erased();
                format!("{above}{text}\n{}", shown.all())
            }
        };
        // Progress that nobody reads is no fault.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Takes the progress of an agent.
    pub(super) fn of(&self, agent: &Name) -> Watch {
        let (display, agent) = (self.clone(), agent.clone());
        Arc::new(move |text: &str| display.update(&agent, text))
    }

    /// Says how an agent stands.
    pub(super) fn update(&self, agent: &Name, text: &str) {
        let text = one_line(text);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match shown.lines.iter_mut().find(|(name, _)| name == agent) {
            Some((_, line)) => line.clone_from(&text),
            None => shown.lines.push((agent.clone(), text.clone())),
        }
        let text = match shown.how {
            How::Never => return,
            How::Plain => format!("[{agent}] {text}\n"),
            How::InPlace => format!("{}{}", shown.erased(), shown.all()),
        };
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Shown {
    /// What takes the lines off the terminal.
    fn erased(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A\u{1b}[J"),
        }
    }

    fn all(&mut self) -> String {
        let width = terminal_size::terminal_size_of(std::io::stderr())
            .map_or(WIDTH, |(width, _)| usize::from(width.0));
        let longest = self.lines.iter().map(|(name, _)| name.as_str().len()).max().unwrap_or(0);
        self.drawn = self.lines.len();
        self.lines
            .iter()
            .map(|(name, text)| {
                let line = format!("{:<longest$}  {}", name.as_str(), text.trim());
                // A line that wraps would be counted as one.
                format!("{}\n", line.chars().take(width.saturating_sub(1)).collect::<String>())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_over_and_never_wrap() {
        let mut shown = Shown { how: How::InPlace, lines: Vec::new(), drawn: 0 };
        assert_eq!(shown.erased(), "");
        shown.lines.push((Name::parse("one").unwrap(), "x".repeat(500)));
        shown.lines.push((Name::parse("three").unwrap(), "turn 1".to_owned()));
        let all = shown.all();
        assert_eq!(all.lines().count(), 2);
        assert!(all.contains("three  turn 1\n"), "{all}");
        assert!(all.lines().all(|line| line.chars().count() < 500), "{all}");
        assert_eq!(shown.erased(), "\u{1b}[2A\u{1b}[J");
        assert_eq!(shown.erased(), "");
    }
}
