//! The files of a query: found, judged, and opened again whenever a scan begins.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::SystemTime;

use mcp_workspace_data::Input;
use mcp_workspace_data::scan::{self, Column};
use mcp_workspace_query::{Bounds, File, Table};
use sha2::{Digest, Sha256};

use super::of_file;
use crate::call::{Call, Ended};
use crate::error::{Code, ToolError};
use crate::hex::hex;
use crate::path::WorkspacePath;
use crate::tool::selection::{GLOB, Globs, PathGlob};
use crate::workspace::walk::{Entry, Found, Options, Selection, Visitor, walk};
use crate::workspace::{Kind, OpenFile, Scope, read_error};

/// Most files of one table.
const MAX_FILES: usize = 1_000;
/// Bytes that show what a file is.
const HEAD_BYTES: u64 = 16;

/// Opens the files of a query.
pub(super) struct Sources<'a> {
    scope: &'a Scope,
    call: &'a Call,
    bounds: scan::Bounds,
    /// Has taken in the path, size and time of change of each file.
    versions: Sha256,
}

impl<'a> Sources<'a> {
    pub(super) fn new(scope: &'a Scope, call: &'a Call, bounds: &Bounds) -> Sources<'a> {
        let bounds = scan::Bounds { room: bounds.room.clone(), stop: bounds.stop.clone() };
        Sources { scope, call, bounds, versions: Sha256::new() }
    }

    /// What the files are at this moment.
    pub(super) fn versions(self) -> String {
        let digest = hex(&self.versions.finalize());
        digest.get(..24).unwrap_or_default().to_owned()
    }

    /// A table of the file at `path`, or of the files that it matches.
    pub(super) fn table(
        &mut self,
        name: &str,
        path: &str,
        sheet: Option<&str>,
    ) -> Result<Table, ToolError> {
        let paths = if path.contains(GLOB) {
            self.matching(path)?
        } else {
            vec![WorkspacePath::parse(path)?]
        };
        let mut files = Vec::new();
        for path in paths {
            self.call.check()?;
            files.push(self.file(path, sheet)?);
        }
        Ok(Table::new(name.to_owned(), files))
    }

    /// The files that a glob matches, of those that the caller may read, in the order of paths.
    fn matching(&self, glob: &str) -> Result<Vec<WorkspacePath>, ToolError> {
        let literal = glob.split(GLOB).next().unwrap_or_default();
        let start = literal.rsplit_once('/').map_or("", |(directory, _)| directory);
        let start = WorkspacePath::parse(start)?;
        // The whole is the pattern, as for list_dir: relative to the root.
        let pattern = PathGlob::of(&Globs::One(glob.to_owned()), &WorkspacePath::default())?;
        let options = Options { start, ..Options::default() };
        let mut paths = Vec::new();
        let ended = walk(self.scope, &options, Files(pattern), self.call, &mut |found| {
            if let Found::Item(path, ()) = found {
                paths.push(path);
            }
            if paths.len() > MAX_FILES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Ended::Stopped(stop) = ended {
            return Err(stop.into());
        }
        if paths.len() > MAX_FILES {
            return Err(ToolError::new(
                Code::TooLarge,
                format!("`{glob}` matches more than {MAX_FILES} files"),
            )
            .hint("give a narrower glob, or a table for each part"));
        }
        if paths.is_empty() {
            return Err(ToolError::new(Code::NotFound, format!("no file matches `{glob}`"))
                .hint("list_dir with `glob` shows what there is"));
        }
        Ok(paths)
    }

    fn file(
        &mut self,
        path: WorkspacePath,
        sheet: Option<&str>,
    ) -> Result<(File, Vec<Column>), ToolError> {
        let mut opened = self.scope.open_file(&path, self.call)?;
        let (size, modified) = (opened.size, opened.modified);
        let mut head = Vec::new();
        let read = opened.file.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| read_error(&path, &error))?;
        let Some(mut format) = scan::Format::of(path.as_str(), &head) else {
            return Err(ToolError::invalid(format!("`{path}` is no table that can be queried"))
                .hint(
                    "CSV (.csv), TSV (.tsv, .tab), JSON lines (.jsonl, .ndjson), these compressed \
                     (.csv.gz), XLSX, ODS, Parquet and Avro are; read_file and grep read other files",
                ));
        };
        if let Some(sheet) = sheet {
            if !matches!(format, scan::Format::Sheet(_)) {
                return Err(ToolError::invalid(format!(
                    "`sheet` is {sheet:?}, but `{path}` is no workbook"
                ))
                .hint("leave `sheet` out"));
            }
            let file = opened.file.try_clone().map_err(|error| read_error(&path, &error))?;
            format = scan::sheet(sheet, Box::new(file), size, &self.bounds)
                .map_err(|error| of_file(path.as_str(), error))?;
            self.versions.update(sheet.as_bytes());
        }
        let columns = scan::columns(format, Box::new(opened.file), size, &self.bounds)
            .map_err(|error| of_file(path.as_str(), error))?;
        let age = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let version = format!("{path}\n{size}\n{}\n", age.as_nanos());
        self.versions.update(version.as_bytes());
        let (scope, call) = (self.scope.clone(), self.call.clone());
        let name = path.as_str().to_owned();
        let open = move || -> io::Result<(Box<dyn Input>, u64)> {
            let opened = scope.open_file(&path, &call).map_err(io::Error::other)?;
            same(&path, &opened, size, modified).map_err(io::Error::other)?;
            Ok((Box::new(opened.file), size))
        };
        Ok((File { name, format, open: Box::new(open) }, columns))
    }
}

/// Whether the file is the one that the query began with.
fn same(
    path: &WorkspacePath,
    opened: &OpenFile,
    size: u64,
    modified: SystemTime,
) -> Result<(), ToolError> {
    if opened.size == size && opened.modified == modified {
        return Ok(());
    }
    Err(ToolError::new(Code::Conflict, format!("`{path}` changed while it was queried"))
        .hint("try again"))
}

/// Finds files.
struct Files(PathGlob);

impl Visitor for Files {
    type Item = ();

    fn select(&self, path: &WorkspacePath, kind: Kind) -> Selection {
        if kind == Kind::File && self.0.selects(path) { Selection::Now } else { Selection::Skip }
    }

    fn visit(&self, _: &Entry<'_>) -> Option<()> {
        Some(())
    }
}
