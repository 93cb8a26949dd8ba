//! Documents that other programs have written: notebooks as cells, workbooks as rows, PDF by pages,
//! archives as lists of their members, and a part of each alone.

use std::time::Duration;

use mcp_workspace_tools::call::Call;
use serde_json::{Value, json};

use crate::querying::Tables;
use crate::reading::{Setting, fixture, notes, version};

fn setting(name: &str) -> Setting {
    Setting::named(name, &fixture(name).0)
}

const ORDERS: &str = "id\tname\tprice\tday\tat\tpaid\tnote\n\
    1\tZürich\t12.5\t2026-11-29\t2026-11-29T18:30:05\tTRUE\tfirst␊second\n\
    2\t大阪 & <Kobe>\t-0.125\t1969-12-31\t2000-02-29T00:00:01\tFALSE\n\
    3\t\t1e+21\t1900-03-01\t1999-12-31T23:59:59\tTRUE\ttab␉here\n";

#[test]
fn sheets_are_shown_as_rows_under_their_names() {
    let book = setting("openpyxl.xlsx");
    let answer = book.json(json!({}));
    assert_eq!(
        answer["content"],
        format!(
            "[sheet Orders]\n{ORDERS}\n\n\tafter two empty rows\n[sheet Rates & Co]\ncurrency\trate\n\
             EUR\t1.0732\n"
        )
    );
    assert_eq!(answer["encoding"], "xlsx");
    assert_eq!(answer["version"], version(&fixture("openpyxl.xlsx").0));
    assert!(notes(&answer).contains("sheets: Orders, Rates & Co; `part` shows one"), "{answer}");
    // Alone, a sheet's lines are its rows.
    let answer = book.json(json!({"part": "Orders", "offset": 3, "limit": 2}));
    let rows: Vec<&str> = ORDERS.split_inclusive('\n').collect();
    assert_eq!(answer["content"], rows[2..4].concat());
    assert_eq!((&answer["start_line"], &answer["total_lines"]), (&json!(3), &json!(7)));
    assert_eq!(answer["header"], rows[0].trim_end());
    let text = book.text(json!({"sheet": "Rates & Co", "offset": -1}));
    assert!(text.contains("1\tcurrency\trate\n2\tEUR\t1.0732\n[line 2 of 2 · xlsx"), "{text}");
    let error = book.try_read(json!({"part": "Rates"})).unwrap_err();
    assert_eq!(error.code.as_str(), "not_found");
    let parts = "has no sheet `Rates`; its sheets are Orders, Rates & Co";
    assert!(error.message.contains(parts), "{error}");
}

#[test]
fn dates_formulas_and_repeated_rows_are_what_people_see() {
    let only = setting("xlsxwriter.xlsx").json(json!({"limit": 3}));
    assert_eq!(
        only["content"],
        "id\tid\t\ttwice\n1\t2026-01-02\t01:05:07\t2\n2\t2026-01-03\t02:05:07\t4\n"
    );
    let last = setting("xlsxwriter.xlsx").json(json!({"offset": 42}));
    assert_eq!((&last["content"], &last["total_lines"]), (&json!("\tplain bold\n"), &json!(42)));
    let ods = setting("odfpy.ods").json(json!({"part": "Stock"}));
    assert_eq!(
        ods["content"],
        "part\tcount\tsince\tok\nbolt\t7\t2026-11-29\tTRUE\nnut␊small\t0.5\t\tFALSE\n\n\n\n\t\tagain\n\t\tagain\n"
    );
    assert_eq!(ods["encoding"], "ods");
    assert_eq!(setting("odfpy.ods").json(json!({"part": "Empty"}))["content"], "");
}

#[test]
fn sheets_are_queried_like_other_tables() {
    let (xlsx, _) = fixture("openpyxl.xlsx");
    let (other, _) = fixture("xlsxwriter.xlsx");
    let (ods, _) = fixture("odfpy.ods");
    let tables = Tables::new(&[("a.xlsx", &xlsx), ("b.xlsx", &other), ("c.ods", &ods)]);
    let rows = |path, sql| tables.ask(path, sql).unwrap()["rows"].clone();
    assert_eq!(
        rows("a.xlsx", "SELECT id, name, price, at, paid, _line FROM t WHERE id < 3"),
        json!([
            [1, "Zürich", 12.5, "2026-11-29T18:30:05", 1, 2],
            [2, "大阪 & <Kobe>", -0.125, "2000-02-29T00:00:01", 0, 3]
        ])
    );
    assert_eq!(
        rows("b.xlsx", "SELECT count(*), sum(twice), min(id_2), max(column_3) FROM t"),
        json!([[41, 1640, "2026-01-01", "23:05:07"]])
    );
    assert_eq!(
        rows("c.ods", "SELECT part, \"count\", ok, _line FROM t WHERE part IS NOT NULL"),
        json!([["bolt", 7, 1, 2], ["nut\nsmall", 0.5, 0, 3]])
    );
    let of = |sheet: &str| {
        let table = json!({"name": "t", "path": "a.xlsx", "sheet": sheet});
        let call = Call::new("local", Duration::from_secs(60));
        let asked = json!({"sql": "SELECT * FROM t", "tables": [table], "format": "json"});
        tables.call(asked, &call).map(|answer| answer.into_json()["rows"].clone())
    };
    assert_eq!(of("Rates & Co").unwrap(), json!([["EUR", 1.0732]]));
    assert!(of("rates").unwrap_err().message.contains("its sheets are Orders, Rates & Co"));
}

#[test]
fn a_notebook_is_shown_as_cells_and_its_exact_text_is_json() {
    let book = setting("nbformat.ipynb");
    let text = book.text(json!({}));
    for part in [
        "[cell 1 · markdown]\n2\t# Profile\n3\tof the orders\n4\t[cell 2 · code · run 2]\n",
        "print('rows', 3)\n7\t[output]\n8\trows 3\n9\t[image/png · 482 bytes · not shown]\n",
        "[error] ZeroDivisionError: division by zero\n[lines 1-",
        "· notebook · ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("\tTraceback\n"), "{text}");
    let exact = book.json(json!({}));
    assert_eq!(exact["encoding"], "utf-8");
    assert_eq!(exact["content"].as_str().unwrap().as_bytes(), fixture("nbformat.ipynb").0);
    // What only has the name is a text.
    let none = Setting::named("a.ipynb", b"{\"cells\": [\n").text(json!({}));
    assert!(none.starts_with("1\t{\"cells\": [\n"), "{none}");
}

const REPORT: &str = "Quarterly report (draft)\n\nOrders rose by 12 %.\n\
    Zürich sold most: 1’204 units – a record.\n\ncity\torders\nBern\t17\nBasel\t9\n";

#[test]
fn the_text_of_a_pdf_is_shown_page_by_page_and_scans_are_said_to_be_images() {
    for name in ["reportlab.pdf", "qpdf.pdf"] {
        let book = setting(name);
        let answer = book.json(json!({}));
        assert_eq!(
            answer["content"],
            format!(
                "[page 1]\n{REPORT}[page 2 · no text: an image of 40 x 30 pixels, perhaps a scan]\n\
                 [page 3 · 1 image not shown]\nLast page\n"
            ),
            "{name}"
        );
        assert_eq!((&answer["encoding"], &answer["total_lines"]), (&json!("pdf"), &json!(12)));
        assert_eq!(book.json(json!({"part": "1"}))["content"], REPORT);
        let some = book.json(json!({"part": "2-3", "offset": -1}));
        assert_eq!(some["content"], "Last page\n");
        let error = book.try_read(json!({"part": "4"})).unwrap_err();
        assert!(error.message.contains("has no page `4`; its pages are 1-3"), "{error}");
    }
    let own = setting("fpdf2.pdf").json(json!({"part": "1"}));
    let text = "A font of its own: naïve café, fifty € and ± one.\nSecond line.\n";
    assert_eq!(own["content"], text, "{own}");
    let locked = setting("encrypted.pdf").json(json!({}));
    assert!(notes(&locked).contains("not shown: it is encrypted"), "{locked}");
}

#[test]
fn archives_list_their_members_and_one_is_read_alone() {
    let csv = "id,name\n1,Bern\n2,Basel\n";
    for (name, encoding) in [
        ("zipfile.zip", "zip"),
        ("gnu.tar.xz", "xz+tar"),
        ("pax.tar.xz", "xz+tar"),
        ("pax.tar.gz", "gzip+tar"),
    ] {
        let archive = setting(name);
        let list = archive.json(json!({}));
        assert_eq!(list["encoding"], encoding);
        let content = list["content"].as_str().unwrap();
        for line in ["24\tdocs/readme.md", "23\t../outside.txt", "16\timage.png"] {
            assert!(content.contains(&format!("{line}\n")), "{name}: {content}");
        }
        let long = format!("12\t{}long.txt\n", "deep/".repeat(30));
        assert!(content.contains(&long), "{name}: {content}");
        assert_eq!(content.contains("0\tlink -> /etc/passwd\n"), encoding != "zip", "{content}");
        let member = archive.json(json!({"part": "data/orders.csv"}));
        assert_eq!(member["content"], csv, "{name}");
        assert_eq!(member["encoding"], format!("{encoding}+utf-8"));
        // A name that climbs is a name like others: nothing is ever unpacked to a path.
        let outside = archive.json(json!({"member": "../outside.txt"}));
        assert_eq!(outside["content"], "never written anywhere\n");
        let tail = archive.json(json!({"part": "text.txt", "offset": -1}));
        assert_eq!((&tail["start_line"], &tail["total_lines"]), (&json!(500), &json!(500)));
        let image = archive.json(json!({"part": "image.png"}));
        let expected =
            if encoding == "zip" { "method 14" } else { "what is in it is no text (image/png)" };
        assert!(notes(&image).contains(expected), "{name}: {image}");
        let error = archive.try_read(json!({"part": "nothing"})).unwrap_err();
        assert!(error.message.contains("has no member `nothing`"), "{error}");
    }
    let plain = Setting::with(b"text\n").try_read(json!({"part": "x"})).unwrap_err();
    assert!(plain.message.contains("has no parts"), "{plain}");
}

#[test]
fn grep_searches_what_read_file_shows() {
    for (name, pattern, line) in [
        ("openpyxl.xlsx", "^EUR\\t", 11),
        ("odfpy.ods", "again", 8),
        ("nbformat.ipynb", "rows 3$", 8),
        ("reportlab.pdf", "Zürich", 5),
        ("zipfile.zip", "orders\\.csv", 3),
        ("pax.tar.gz", "orders\\.csv", 2),
    ] {
        let setting = setting(name);
        let call = Call::new("local", Duration::from_secs(60));
        let found = setting.call("grep", json!({"pattern": pattern, "format": "json"}), &call);
        let found = found.unwrap().into_json();
        assert_eq!(found["matches"][0]["line"], line, "{name}: {found}");
        let text = setting.text(json!({"offset": line, "limit": 1}));
        assert!(text.contains(found["matches"][0]["text"].as_str().unwrap()), "{name}: {text}");
    }
}

#[test]
fn rows_of_csv_stand_under_their_header() {
    let rows: String = (1..=30).map(|n| format!("{n},name {n}\n")).collect();
    let csv = format!("id,name\n{rows}");
    let setting = Setting::named("orders.CSV", csv.as_bytes());
    let text = setting.text(json!({"offset": 20, "limit": 2}));
    assert!(text.starts_with("1\tid,name\n20\t19,name 19\n21\t20,name 20\n[lines 20-21"), "{text}");
    let last = setting.json(json!({"offset": -1}));
    assert_eq!((&last["header"], &last["content"]), (&json!("id,name"), &json!("30,name 30\n")));
    for whole in [json!({}), json!({"offset": -100})] {
        let answer = setting.json(whole);
        assert_eq!((&answer["header"], &answer["content"]), (&Value::Null, &json!(csv)));
    }
    let other = Setting::named("orders.txt", csv.as_bytes()).json(json!({"offset": 5}));
    assert_eq!(other["header"], Value::Null);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, csv.as_bytes()).unwrap();
    let packed = Setting::named("orders.csv.gz", &encoder.finish().unwrap());
    assert_eq!(packed.json(json!({"offset": 5, "limit": 1}))["header"], "id,name");
}
