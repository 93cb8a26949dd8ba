//! The tree that the tasks are about: sources of this repository, a long file made of them, and a
//! directory of a thousand names.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes the tree of the sources below `from`.
///
/// # Errors
/// When a file cannot be read or written, or there is none.
pub(crate) fn plant(from: &Path, root: &Path) -> Result<(), Box<dyn Error>> {
    let mut sources = Vec::new();
    list(from, &mut sources)?;
    sources.sort();
    let mut long = String::new();
    for source in &sources {
        let inside = root.join("src").join(source.strip_prefix(from)?);
        fs::create_dir_all(inside.parent().ok_or("no parent")?)?;
        let text = fs::read_to_string(source)?;
        fs::write(inside, &text)?;
        long += &text;
    }
    if sources.is_empty() {
        return Err(format!("there are no sources below {}", from.display()).into());
    }
    fs::write(root.join("long.rs"), long)?;
    let names = root.join("names");
    fs::create_dir(&names)?;
    for number in 0..1_000 {
        fs::write(names.join(format!("module_{number:04}.rs")), "")?;
    }
    fs::create_dir_all(root.join("out/reports"))?;
    Ok(())
}

fn list(directory: &Path, sources: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, sources)?;
        } else if ["rs", "md"].map(OsStr::new).map(Some).contains(&path.extension()) {
            sources.push(path);
        }
    }
    Ok(())
}
