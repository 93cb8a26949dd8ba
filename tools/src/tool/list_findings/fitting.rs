//! How much of each message is listed: as much as lets all findings of a page into one answer.

use serde::Serialize;

use super::{Listed, render};
use crate::answer::Format;
use crate::text::visible::cut_line;

/// What the last line with its cursor and what is left out cost of the answer's budget.
const FOOTER_BYTES: usize = 4_000;
/// To how many characters messages are cut, from all that there is to the least.
const CUTS: [usize; 9] = [4_000, 1_000, 500, 300, 200, 150, 100, 70, 40];
const LEAST: usize = 40;

/// The room of an answer.
pub(super) struct Fitting {
    format: Format,
    bytes: usize,
    /// What the findings so far cost with the shortest messages.
    least: usize,
    path: Option<String>,
}

impl Fitting {
    pub(super) fn new(format: Format, answer_chars: usize) -> Fitting {
        let bytes = answer_chars.saturating_sub(FOOTER_BYTES);
        Fitting { format, bytes, least: 0, path: None }
    }

    /// Whether there is room for one more, with its message cut if need be. One always has room.
    pub(super) fn takes(&mut self, listed: &Listed) -> bool {
        let is_new = self.least == 0 || self.path != listed.path;
        let cost = self.cost(listed, LEAST, is_new);
        if self.least > 0 && self.least + cost > self.bytes {
            return false;
        }
        self.least += cost;
        self.path.clone_from(&listed.path);
        true
    }

    /// Cuts the messages of findings in the order of their paths as little as lets them fit; says
    /// to how many characters if any was cut.
    pub(super) fn fit(&self, listed: &mut [Listed]) -> Option<usize> {
        let total = |most: usize| -> usize {
            let mut path = None;
            let costs = listed.iter().map(|one| {
                let is_new = path != Some(&one.path);
                path = Some(&one.path);
                self.cost(one, most, is_new)
            });
            costs.sum()
        };
        let most = CUTS.into_iter().find(|most| total(*most) <= self.bytes).unwrap_or(LEAST);
        let mut any = false;
        for one in listed.iter_mut().filter(|one| one.details.is_none()) {
            let shorter = message(one, most);
            any |= shorter != one.message;
            one.message = shorter;
        }
        any.then_some(most)
    }

    fn cost(&self, listed: &Listed, most: usize, is_new: bool) -> usize {
        match self.format {
            Format::Text => {
                let header =
                    if is_new { listed.path.as_ref().map_or(16, String::len) + 1 } else { 0 };
                header + render::finding(listed, &message(listed, most)).len()
            }
            Format::Json => {
                let whole = json_bytes(listed).saturating_sub(json_bytes(&listed.message));
                whole + json_bytes(&message(listed, most)) + 1
            }
        }
    }
}

/// The message, or where that is too long the title.
fn message(listed: &Listed, most: usize) -> String {
    if listed.details.is_some() || listed.message.chars().count() <= most {
        return listed.message.clone();
    }
    cut_line(listed.summary.as_ref().unwrap_or(&listed.message), most)
}

fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX / 2, |json| json.len())
}
