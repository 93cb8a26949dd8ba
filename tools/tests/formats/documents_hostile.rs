//! Documents and archives of an attacker: whatever they declare, the answer comes soon, says what is
//! wrong, and takes no more memory than the limits.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use mcp_workspace_tools::call::Call;
use serde_json::json;

use crate::hostile::Dice;
use crate::querying::Tables;
use crate::reading::{Setting, fixture, notes};

/// A zip archive of these members.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(content).unwrap();
        let packed = packed.finish().unwrap();
        let offset = u32::try_from(out.len()).unwrap();
        let mut about = vec![20, 0, 0, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        about.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        about.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        about.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        about.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&about);
        out.extend(name.as_bytes());
        out.extend(packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&about);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(out.len()).unwrap();
    let count = u16::try_from(members.len() % 65_536).unwrap().to_le_bytes();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A workbook of one sheet with this XML in it, and these shared texts.
fn xlsx(sheet: &[u8], shared: &[u8]) -> Vec<u8> {
    let workbook = br#"<workbook><sheets><sheet name="S" r:id="a"/></sheets></workbook>"#;
    let relations = br#"<R><Relationship Id="a" Target="worksheets/s.xml"/></R>"#;
    zip(&[
        ("xl/workbook.xml", workbook),
        ("xl/_rels/workbook.xml.rels", relations),
        ("xl/worksheets/s.xml", sheet),
        ("xl/sharedStrings.xml", shared),
    ])
}

fn ods(content: &str) -> Vec<u8> {
    let mut bytes = zip(&[("mimetype", b""), ("content.xml", content.as_bytes())]);
    // The media type stands in the file as it is.
    bytes.splice(38..40, *b"application/vnd.oasis.opendocument.spreadsheet");
    bytes
}

/// What is wrong with a file, in the notes of its answer.
fn wrong(bytes: &[u8]) -> String {
    let began = Instant::now();
    let answer = Setting::with(bytes).json(json!({"limit": 5}));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    notes(&answer)
}

#[test]
fn sheets_that_declare_too_much_are_refused_by_name() {
    let far = br#"<sheetData><row r="1"><c r="ZZZZ1"><v>1</v></c></row></sheetData>"#;
    assert!(wrong(&xlsx(far, b"")).contains("16384 are the most"));
    let low = br#"<sheetData><row r="1048577"><c><v>1</v></c></row></sheetData>"#;
    assert!(wrong(&xlsx(low, b"")).contains("1048576 are the most"));
    let deep = "<a>".repeat(100_000);
    assert!(wrong(&xlsx(deep.as_bytes(), b"")).contains("nests deeper than 256"));
    let long = format!("<sheetData a=\"{}\"/>", " ".repeat(2 << 20));
    assert!(wrong(&xlsx(long.as_bytes(), b"")).contains("is longer than 1048576 bytes"));
    // Entities are text: none is ever replaced by something longer.
    let bomb = b"<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><sheetData><row>\
                 <c t=\"str\"><v>&b;&b;</v></c></row></sheetData>";
    let answer = Setting::with(&xlsx(bomb, b"")).json(json!({}));
    assert_eq!(answer["content"], "\u{fffd}\u{fffd}\n", "{answer}");
    // Half a mebibyte that is shared by thousands of cells of a row.
    let text = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(1 << 19));
    let row = format!("<row>{}</row>", "<c t=\"s\"><v>0</v></c>".repeat(16_000));
    let notes = wrong(&xlsx(row.as_bytes(), text.as_bytes()));
    assert!(notes.contains("bytes of text"), "{notes}");
    let shared = format!("<si><t>{}</t></si>", "x".repeat(1_000)).repeat(55_000);
    assert!(wrong(&xlsx(b"<sheetData/>", shared.as_bytes())).contains("bytes of memory at once"));
}

#[test]
fn an_empty_sheet_of_a_million_rows_is_lines_that_are_made_as_they_are_read() {
    let low = br#"<sheetData><row r="1048576"><c><v>7</v></c></row></sheetData>"#;
    let last = Setting::with(&xlsx(low, b"")).json(json!({"offset": 1_048_575}));
    assert_eq!((&last["content"], &last["total_lines"]), (&json!("\n7\n"), &json!(1_048_576)));
    let tables = Tables::new(&[("a.xlsx", &xlsx(low, b""))]);
    assert_eq!(tables.ask("a.xlsx", "SELECT * FROM t").unwrap()["columns"], json!(["7"]));
}

#[test]
fn rows_and_cells_that_repeat_without_end_are_bounded() {
    let sheet = |rows: &str| {
        let of = "<table:table table:name=\"S\">";
        ods(&format!("<office:body>{of}{rows}</table:table></office:body>"))
    };
    let cell = "<table:table-cell office:value-type=\"float\" office:value=\"1\"";
    let most = u64::MAX;
    let many = format!(
        "<table:table-row table:number-rows-repeated=\"{most}\">{cell}/></table:table-row>"
    );
    let answer = Setting::limited(&sheet(&many), 1 << 16).json(json!({"limit": 2}));
    assert_eq!(answer["content"], "1\n1\n", "{answer}");
    assert_eq!(answer["more"], true);
    let wide = format!(
        "<table:table-row>{cell} table:number-columns-repeated=\"{most}\"/></table:table-row>"
    );
    assert!(wrong(&sheet(&wide)).contains("16384 are the most"));
    let empty = format!(
        "<table:table-row table:number-rows-repeated=\"{most}\"/><table:table-row>{cell}/>\
         </table:table-row>"
    );
    assert!(wrong(&sheet(&empty)).contains("more than 1048576 rows"));
}

#[test]
fn a_member_that_unpacks_without_end_is_read_so_far_and_no_farther() {
    let text = "0123456\n".repeat(8 << 20);
    let bomb = zip(&[("a.txt", text.as_bytes())]);
    let setting = Setting::limited(&bomb, 1 << 20);
    let lines = (16 << 20) / 8;
    let answer = setting.json(json!({"part": "a.txt", "offset": lines, "limit": 1}));
    assert_eq!(answer["content"], "0123456\n", "{answer}");
    let error = setting.try_read(json!({"part": "a.txt", "offset": lines + 1})).unwrap_err();
    assert_eq!(error.code.as_str(), "too_large");
}

#[test]
fn thousands_of_members_are_lines_of_a_list() {
    let names: Vec<String> = (0..30_000).map(|n| format!("{n}\n../x")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let answer = Setting::with(&zip(&members)).json(json!({"offset": -1}));
    assert_eq!(answer["content"], "0\t29999␊../x\n");
    assert_eq!(answer["total_lines"], 30_000);
}

#[test]
fn what_is_encrypted_or_not_where_it_should_be_is_said() {
    let mut locked = zip(&[("a.txt", b"text")]);
    let directory = locked.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    locked[directory + 8] = 1;
    assert_eq!(Setting::with(&locked).json(json!({}))["content"], "4\ta.txt (encrypted)\n");
    let answer = Setting::with(&locked).json(json!({"part": "a.txt"}));
    assert!(notes(&answer).contains("`a.txt` is encrypted"), "{answer}");
    let mut lost = zip(&[("a.txt", b"text")]);
    lost[directory + 42] = 9;
    let answer = Setting::with(&lost).json(json!({"part": "a.txt"}));
    assert!(notes(&answer).contains("not where the archive's directory says"), "{answer}");
    let mut endless = zip(&[("a.txt", b"text")]);
    let end = endless.len() - 22;
    endless[end + 12..end + 16].fill(0xFF);
    assert!(wrong(&endless).contains("longer than the file"));
}

#[test]
fn a_dictionary_of_xz_that_is_too_large_is_never_made() {
    let (mut bytes, _) = fixture("text.txt.xz");
    // The block's header: its size, its flags, LZMA2 with one byte for the dictionary, padding.
    let header = 12..24;
    assert_eq!(bytes[14..16], [0x21, 1]);
    // 4 GiB less one byte.
    bytes[16] = 40;
    let mut crc = Crc::new();
    crc.update(&bytes[header.start..header.end - 4]);
    bytes[20..24].copy_from_slice(&crc.sum().to_le_bytes());
    let answer = Setting::with(&bytes).json(json!({}));
    assert!(notes(&answer).contains("memory too big"), "{answer}");
    // A window of brotli beyond 16 MiB.
    let answer = Setting::named("a.br", &[0x11, 0x1E, 0, 0xFF, 0xFF]).json(json!({}));
    assert!(notes(&answer).contains("larger than 16 MiB"), "{answer}");
}

#[test]
fn sizes_in_tar_archives_are_not_believed() {
    let mut header = [0_u8; 512];
    header[..5].copy_from_slice(b"a.txt");
    header[124] = 0x80;
    header[129..136].fill(0xFF);
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let archive = [&header[..], b"text"].concat();
    let answer = Setting::with(&archive).json(json!({}));
    assert!(answer["content"].as_str().unwrap().ends_with("\ta.txt\n"), "{answer}");
    let answer = Setting::with(&archive).json(json!({"part": "a.txt"}));
    assert_eq!(answer["content"], "text", "{answer}");
}

/// A PDF of these objects, from number 1: the catalog, the tree of pages, a page, its content.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    for (number, object) in (1..).zip(objects) {
        out.extend(format!("{number} 0 obj\n").as_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    out.extend(b"trailer << /Root 1 0 R >>\n");
    out
}

fn stream(about: &str, content: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content).unwrap();
    let packed = packed.finish().unwrap();
    let head = format!("<< {about} /Filter /FlateDecode /Length {} >> stream\n", packed.len());
    [head.as_bytes(), &packed, b"\nendstream"].concat()
}

/// A PDF of one page with this content, and objects that it may name from number 5.
fn page(content: &[u8], resources: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let page =
        format!("<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << {resources} >> >>");
    let mut objects = vec![
        b"<< /Pages 2 0 R >>".to_vec(),
        b"<< /Kids [3 0 R] /Parent 2 0 R >>".to_vec(),
        page.into_bytes(),
        stream("", content),
    ];
    objects.extend_from_slice(more);
    pdf(&objects)
}

const FONT: &str = "/Font << /F << /Type /Font /Subtype /Type1 >> >>";

#[test]
fn pages_that_grow_or_turn_in_circles_are_bounded() {
    let hello = b"BT /F 12 Tf 10 10 Td (Hello) Tj ET";
    assert_eq!(
        Setting::with(&page(hello, FONT, &[])).json(json!({"part": "1"}))["content"],
        "Hello\n"
    );
    // Streams that unpack without end: of a page, of objects, of a font.
    assert!(wrong(&page(&vec![b' '; 64 << 20], FONT, &[])).contains("is over 8388608 bytes"));
    let objects = stream("/Type /ObjStm /N 9 /First 0", &vec![b'0'; 64 << 20]);
    assert!(wrong(&page(hello, FONT, &[objects])).contains("is over 8388608 bytes"));
    let font = "/Font << /F << /Type /Font /ToUnicode 5 0 R >> >>";
    let map = stream("", &vec![b' '; 64 << 20]);
    assert!(wrong(&page(hello, font, &[map])).contains("is over 8388608 bytes"));
    // Eight mebibytes of objects in each of many streams.
    let objects = stream("/Type /ObjStm /N 9 /First 0", &vec![b'0'; 7 << 20]);
    assert!(wrong(&page(hello, FONT, &vec![objects; 20])).contains("bytes of memory at once"));
    // A form that shows itself, twice.
    let form = stream(
        "/Subtype /Form /Resources << /XObject << /A 5 0 R >> >>",
        &[&b"/A Do /A Do "[..], hello].concat(),
    );
    let shown = Setting::with(&page(b"/A Do", &format!("{FONT} /XObject << /A 5 0 R >>"), &[form]));
    assert!(shown.json(json!({}))["content"].as_str().unwrap().starts_with("[page 1"));
    // Trees of pages without an end, and none.
    let turning = pdf(&[b"<< /Pages 2 0 R >>".to_vec(), b"<< /Kids [2 0 R 2 0 R] >>".to_vec()]);
    assert!(wrong(&turning).contains("it has no pages"));
    let deep = page(&[&b"[".repeat(1 << 20)[..], hello].concat(), FONT, &[b"<<".repeat(1 << 20)]);
    assert!(
        Setting::with(&deep).json(json!({}))["content"].as_str().unwrap().starts_with("[page 1")
    );
    let wide =
        "/Font << /F << /Subtype /Type0 /DescendantFonts [<< /W [0 4294967295 500] >>] >> >>";
    let answer = Setting::with(&page(hello, wide, &[])).json(json!({}));
    assert!(
        answer["content"].as_str().unwrap().contains("some letters have no known text"),
        "{answer}"
    );
    let numbers = b"1 0 obj 1 ".repeat(1_000_000);
    assert!(!wrong(&[b"%PDF-1.7\n", &numbers[..]].concat()).is_empty());
}

#[test]
fn damaged_documents_are_answered() {
    for (name, part) in [
        ("openpyxl.xlsx", "Orders"),
        ("odfpy.ods", "Stock"),
        ("nbformat.ipynb", "x"),
        ("reportlab.pdf", "1"),
        ("qpdf.pdf", "3"),
        ("fpdf2.pdf", "1"),
        ("zipfile.zip", "text.txt"),
        ("pax.tar.gz", "text.txt"),
        ("pax.tar.xz", "text.txt"),
        ("text.txt.bz2", "x"),
        ("text.txt.br", "x"),
    ] {
        let (bytes, _) = fixture(name);
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for round in 0..60 {
            let mut damaged = dice.damaged(&bytes);
            if dice.roll(4) == 0 {
                damaged.truncate(dice.roll(bytes.len()));
            }
            let setting = Setting::of(name, &damaged, 1 << 20);
            let began = Instant::now();
            let mut arguments = json!({"offset": if round % 2 == 0 { 1 } else { -2 }});
            if round % 3 == 0 {
                arguments["part"] = json!(part);
            }
            if let Err(error) = setting.try_read(arguments) {
                assert!(!error.message.is_empty());
            }
            let call = Call::new("local", Duration::from_secs(60));
            setting.call("grep", json!({"pattern": "a"}), &call).unwrap();
            assert!(began.elapsed() < Duration::from_secs(30), "{name} {round}");
        }
    }
}
