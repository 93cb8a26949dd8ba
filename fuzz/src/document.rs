//! Any bytes as each kind of document: opening and reading end, keep to their bounds, and what fails
//! inside of a parser is told. The first byte chooses the kind, and whether a part is asked for. XML
//! stands in an archive, whose checksums and compression would keep a fuzzer out.

use std::io::{self, Cursor};
use std::time::Duration;

use mcp_workspace_data::document::{Question, open};
use mcp_workspace_stop::StopSignal;

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let (name, file) = match first % 8 {
        0 => ("a.ipynb", bytes.to_vec()),
        1 => ("a.pdf", [b"%PDF-1.7\n", bytes].concat()),
        2 => ("a.zip", [b"PK\x03\x04", bytes].concat()),
        3 => ("a.xlsx", workbook(bytes, b"<sst><si><t>one</t></si></sst>")),
        4 => ("a.xlsx", workbook(b"<row><c t=\"s\"><v>0</v></c></row>", bytes)),
        5 => ("a.ods", spreadsheet(bytes)),
        6 => ("a.tar", bytes.to_vec()),
        _ => ("a.tar.bin", bytes.to_vec()),
    };
    let parts = match first % 8 {
        1 => "1",
        3 | 4 => "S",
        _ => "a",
    };
    let stop = StopSignal::new(Duration::from_secs(5));
    let question = Question {
        name,
        head: file.get(..64 * 1024).unwrap_or(&file),
        size: file.len() as u64,
        part: (first & 0x80 != 0).then_some(parts),
        whole_bytes: 1 << 16,
        stop: &stop,
    };
    if let Ok(Some(mut document)) = open(Box::new(Cursor::new(file.clone())), &question) {
        let given = io::copy(&mut document.text, &mut io::sink()).unwrap();
        assert!(given <= document.text.limit());
    }
}

/// Members as they are, in an archive.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let long = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    for (name, content) in members {
        let offset = out.len();
        let mut about = vec![0; 14];
        about.extend(long(content.len()));
        about.extend(long(content.len()));
        about.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        about.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&about);
        out.extend(name.as_bytes());
        out.extend(*content);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(&about);
        directory.extend([0; 10]);
        directory.extend(long(offset));
        directory.extend(name.as_bytes());
    }
    let start = out.len();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0");
    out.extend(long(directory.len()));
    out.extend(long(start));
    out.extend([0, 0]);
    out
}

fn workbook(sheet: &[u8], shared: &[u8]) -> Vec<u8> {
    archive(&[
        (
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name=\"S\" r:id=\"a\"/></sheets></workbook>",
        ),
        ("xl/_rels/workbook.xml.rels", b"<R><Relationship Id=\"a\" Target=\"s.xml\"/></R>"),
        ("xl/s.xml", sheet),
        ("xl/sharedStrings.xml", shared),
    ])
}

fn spreadsheet(content: &[u8]) -> Vec<u8> {
    let kind = b"application/vnd.oasis.opendocument.spreadsheet";
    archive(&[("mimetype", kind), ("content.xml", content)])
}
