//! What others do to a workspace, past the tools. What cannot be done is not done.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::site::{SECRET, Site, is_hidden};

/// Somebody who can write the mount itself.
pub(super) struct Others<'s>(pub &'s Site);

impl Others<'_> {
    /// Where a path is, unless a link leads to it: what is written through a link would lie
    /// where another path is judged.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let place = self.0.at(path);
        let parent = place.parent()?;
        let _ = fs::create_dir_all(parent);
        (parent.canonicalize().ok()? == self.0.at("").canonicalize().ok()?.join(path).parent()?)
            .then_some(place)
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let Some(place) = self.place(path).filter(|place| !place.is_symlink()) else { return };
        let secret = if is_hidden(path) { SECRET } else { "" };
        let _ = fs::write(place, format!("{secret}{content}"));
    }

    pub(super) fn remove(&self, path: &str) {
        let Some(place) = self.place(path) else { return };
        if fs::remove_file(&place).is_err() {
            let _ = fs::remove_dir_all(place);
        }
    }

    pub(super) fn link(&self, path: &str, to: &str) {
        self.remove(path);
        if let Some(place) = self.place(path) {
            let _ = symlink(to, place);
        }
    }

    pub(super) fn make_directory(&self, path: &str) {
        self.remove(path);
        if let Some(place) = self.place(path) {
            let _ = fs::create_dir(place);
        }
    }

    /// Neither of the paths is hidden, or what is secret would come to light.
    pub(super) fn rename(&self, from: &str, to: &str) {
        if let (Some(from), Some(to)) = (self.place(from), self.place(to))
            && from.is_file()
            && !from.is_symlink()
        {
            let _ = fs::rename(from, to);
        }
    }

    /// Leaves something beside the records that is none.
    pub(super) fn litter(&self, what: usize, number: u8) {
        let number = number % 4;
        let place = match what {
            0 | 1 => self.place(&format!("output/findings/litter{number}")),
            2 | 3 => self.place(&format!("output/proposals/litter{number}")),
            4 => self.place(&format!("output/findings/one/litter{number}.json")),
            _ => self.place(&format!("state/@litter{number}")),
        };
        let Some(place) = place else { return };
        let _ = match what % 2 {
            0 => fs::write(place, "{\"format\":1}"),
            _ => symlink("../../../outside", place),
        };
    }
}
