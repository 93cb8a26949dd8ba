//! Archives of every kind, the hostile ones too: headers are written byte by byte, since the
//! libraries refuse to.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An entry as an archive has it.
pub(crate) struct Entry {
    name: Vec<u8>,
    kind: EntryType,
    mode: u32,
    content: Vec<u8>,
    target: String,
}

impl Entry {
    fn new(name: &[u8], kind: EntryType) -> Entry {
        let (content, target) = (Vec::new(), String::new());
        Entry { name: name.to_vec(), kind, mode: 0o644, content, target }
    }

    pub(crate) fn file(name: &str, content: &[u8]) -> Entry {
        Entry { content: content.to_vec(), ..Entry::new(name.as_bytes(), EntryType::Regular) }
    }

    pub(crate) fn program(name: &str, content: &[u8]) -> Entry {
        Entry { mode: 0o755, ..Entry::file(name, content) }
    }

    pub(crate) fn directory(name: &str) -> Entry {
        Entry { mode: 0o755, ..Entry::new(name.as_bytes(), EntryType::Directory) }
    }

    pub(crate) fn link(name: &str, target: &str) -> Entry {
        Entry { target: target.to_owned(), ..Entry::new(name.as_bytes(), EntryType::Symlink) }
    }

    pub(crate) fn hard_link(name: &str, target: &str) -> Entry {
        Entry { target: target.to_owned(), ..Entry::new(name.as_bytes(), EntryType::Link) }
    }

    pub(crate) fn device(name: &str) -> Entry {
        Entry::new(name.as_bytes(), EntryType::Char)
    }

    pub(crate) fn fifo(name: &str) -> Entry {
        Entry::new(name.as_bytes(), EntryType::Fifo)
    }

    pub(crate) fn raw(name: &[u8]) -> Entry {
        Entry::new(name, EntryType::Regular)
    }
}

/// As tar.
pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        if entry.name.len() > 100 {
            let mut long = Header::new_gnu();
            long.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
            long.set_entry_type(EntryType::GNULongName);
            long.set_size(entry.name.len() as u64 + 1);
            long.set_cksum();
            let name = [entry.name.as_slice(), b"\0"].concat();
            builder.append(&long, name.as_slice()).unwrap();
        }
        let mut header = Header::new_gnu();
        let shown = &entry.name[..entry.name.len().min(100)];
        header.as_old_mut().name[..shown.len()].copy_from_slice(shown);
        let target = entry.target.as_bytes();
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        builder.append(&header, entry.content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// As tar in gzip.
pub(crate) fn tar_gz(entries: &[Entry]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&tar(entries)).unwrap();
    encoder.finish().unwrap()
}

/// As zip.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for entry in entries {
        let name = str::from_utf8(&entry.name).unwrap();
        let options = SimpleFileOptions::default().unix_permissions(entry.mode);
        match entry.kind {
            EntryType::Directory if name == "./" => {}
            EntryType::Directory => writer.add_directory(name, options).unwrap(),
            EntryType::Symlink => {
                writer.add_symlink(name, entry.target.as_str(), options).unwrap();
            }
            _ => {
                writer.start_file(name, options).unwrap();
                writer.write_all(&entry.content).unwrap();
            }
        }
    }
    writer.finish().unwrap().into_inner()
}
