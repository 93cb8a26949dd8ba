"""Makes the documents and archives that other programs have written.

    pip install openpyxl xlsxwriter odfpy nbformat brotli reportlab fpdf2 pikepdf && python tools/tests/formats/documents.py

The files are committed; the tests need no Python.
"""

import bz2, datetime as dt, gzip, io, lzma, tarfile, zipfile
from pathlib import Path

import brotli, fpdf, nbformat, openpyxl, pikepdf, reportlab, xlsxwriter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

FILES = Path(__file__).parent / "files"
HEADER = ["id", "name", "price", "day", "at", "paid", "note"]
ROWS = [
    [1, "Zürich", 12.5, dt.date(2026, 11, 29), dt.datetime(2026, 11, 29, 18, 30, 5), True, "first\nsecond"],
    [2, "大阪 & <Kobe>", -0.125, dt.date(1969, 12, 31), dt.datetime(2000, 2, 29, 0, 0, 1), False, None],
    [3, None, 1e21, dt.date(1900, 3, 1), dt.datetime(1999, 12, 31, 23, 59, 59), True, "tab\there"],
]


def by_openpyxl():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Orders"
    for row in [HEADER, *ROWS]:
        sheet.append(row)
    sheet["B7"] = "after two empty rows"
    other = book.create_sheet("Rates & Co")
    other.append(["currency", "rate"])
    other.append(["EUR", 1.0732])
    book.save(FILES / "openpyxl.xlsx")


def by_xlsxwriter():
    book = xlsxwriter.Workbook(FILES / "xlsxwriter.xlsx")
    sheet = book.add_worksheet("Only")
    day = book.add_format({"num_format": "d mmm yyyy"})
    time = book.add_format({"num_format": "[h]:mm:ss"})
    sheet.write_row(0, 0, ["id", "id", "", "twice"])
    for n in range(1, 41):
        sheet.write_number(n, 0, n)
        sheet.write_datetime(n, 1, dt.datetime(2026, 1, n % 28 + 1), day)
        sheet.write_datetime(n, 2, dt.time(n % 24, 5, 7), time)
        sheet.write_formula(n, 3, f"=A{n + 1}*2", None, n * 2)
    sheet.write_rich_string(41, 1, "plain ", book.add_format({"bold": True}), "bold")
    book.close()


def by_odfpy():
    book = OpenDocumentSpreadsheet()
    sheet = Table(name="Stock")

    def cell(value):
        match value:
            case None:
                return TableCell()
            case bool():
                made = TableCell(valuetype="boolean", booleanvalue=str(value).lower())
            case int() | float():
                made = TableCell(valuetype="float", value=value)
            case dt.date():
                made = TableCell(valuetype="date", datevalue=value.isoformat())
            case _:
                made = TableCell(valuetype="string")
        for line in str(value).split("\n"):
            made.addElement(P(text=line))
        return made

    for row in [["part", "count", "since", "ok"], ["bolt", 7, dt.date(2026, 11, 29), True], ["nut\nsmall", 0.5, None, False]]:
        made = TableRow()
        for value in row:
            made.addElement(cell(value))
        sheet.addElement(made)
    # Two equal rows behind three empty ones, and all the rest of the sheet.
    sheet.addElement(TableRow(numberrowsrepeated=3))
    again = TableRow(numberrowsrepeated=2)
    again.addElement(TableCell(numbercolumnsrepeated=2))
    again.addElement(cell("again"))
    again.addElement(TableCell(numbercolumnsrepeated=1000))
    sheet.addElement(again)
    rest = TableRow(numberrowsrepeated=1048000)
    rest.addElement(TableCell(numbercolumnsrepeated=16384))
    sheet.addElement(rest)
    book.spreadsheet.addElement(sheet)
    second = Table(name="Empty")
    second.addElement(TableRow(numberrowsrepeated=1048576))
    book.spreadsheet.addElement(second)
    book.save(FILES / "odfpy.ods")


def notebook():
    book = new_notebook(cells=[
        new_markdown_cell("# Profile\nof the orders", id="a"),
        new_code_cell("import pandas\nprint('rows', 3)", id="b", execution_count=2, outputs=[
            new_output("stream", name="stdout", text="rows 3\n"),
            new_output("display_data", data={"image/png": "iVBORw0KGgo=" * 40, "text/plain": "<Figure size 640x480>"}),
        ]),
        new_code_cell("1 / 0", id="c", execution_count=3, outputs=[
            new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["\x1b[0;31mTraceback\x1b[0m"]),
        ]),
    ])
    nbformat.validate(book)
    nbformat.write(book, FILES / "nbformat.ipynb")


TEXT = "".join(f"{n}: naïve line {n * 7919 % 1_000_003}\n" for n in range(1, 501)).encode()
MEMBERS = [
    ("docs/readme.md", b"# Readme\nsee the orders\n"),
    ("data/orders.csv", b"id,name\n1,Bern\n2,Basel\n"),
    ("../outside.txt", b"never written anywhere\n"),
    ("text.txt", TEXT),
    ("deep/" * 30 + "long.txt", b"a long name\n"),
    ("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
]


def archives():
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]
    with zipfile.ZipFile(FILES / "zipfile.zip", "w") as out:
        out.mkdir("docs")
        for (name, content), method in zip(MEMBERS, methods):
            info = zipfile.ZipInfo(name, (2026, 11, 29, 12, 0, 0))
            info.compress_type = method
            out.writestr(info, content)
        out.comment = b"a comment behind the directory"
    for name, form in [("gnu.tar", tarfile.GNU_FORMAT), ("pax.tar", tarfile.PAX_FORMAT)]:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=form) as out:
            for path, content in MEMBERS:
                info = tarfile.TarInfo(path)
                info.size, info.mtime = len(content), 1_796_000_000
                out.addfile(info, io.BytesIO(content))
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            out.addfile(link)
        (FILES / f"{name}.xz").write_bytes(lzma.compress(made.getvalue()))
    (FILES / "pax.tar.gz").write_bytes(gzip.compress(lzma.decompress((FILES / "pax.tar.xz").read_bytes()), mtime=0))
    half = len(TEXT) // 2
    (FILES / "text.txt.bz2").write_bytes(bz2.compress(TEXT[:half]) + bz2.compress(TEXT[half:]))
    (FILES / "text.txt.xz").write_bytes(lzma.compress(TEXT[:half], preset=9) + lzma.compress(TEXT[half:], check=lzma.CHECK_SHA256))
    (FILES / "text.txt.br").write_bytes(brotli.compress(TEXT))


def pdfs():
    picture = Image.new("L", (40, 30), 200)
    canvas = Canvas(str(FILES / "reportlab.pdf"), invariant=True)
    canvas.drawString(72, 760, "Quarterly report (draft)")
    text = canvas.beginText(72, 730)
    text.textLines("Orders rose by 12 %.\nZürich sold most: 1’204 units – a record.")
    canvas.drawText(text)
    for row, cells in enumerate([["city", "orders"], ["Bern", "17"], ["Basel", "9"]]):
        for column, cell in enumerate(cells):
            canvas.drawString(72 + 150 * column, 640 - 16 * row, cell)
    canvas.showPage()
    canvas.drawImage(ImageReader(picture), 0, 0, 595, 842)
    canvas.showPage()
    canvas.drawString(72, 760, "Last page")
    canvas.drawImage(ImageReader(picture), 72, 500)
    canvas.save()
    # The same with streams of objects and a table of places that is compressed.
    with pikepdf.open(FILES / "reportlab.pdf") as book:
        book.save(FILES / "qpdf.pdf", object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
        book.save(FILES / "encrypted.pdf", encryption=pikepdf.Encryption(owner="o", user="u"))
    made = fpdf.FPDF()
    made.set_creation_date(dt.datetime(2026, 11, 29, tzinfo=dt.timezone.utc))
    made.add_font("Vera", fname=str(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"))
    made.add_page()
    made.set_font("Vera", size=12)
    made.multi_cell(0, None, "A font of its own: naïve café, fifty € and ± one.\nSecond line.")
    made.output(str(FILES / "fpdf2.pdf"))


by_openpyxl()
by_xlsxwriter()
by_odfpy()
notebook()
archives()
pdfs()
