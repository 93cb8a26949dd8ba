"""Makes a workspace of real source and awkward files: `corpus.py REPOSITORY WORKSPACE`.

The source is that of crates which the project depends on, as cargo has unpacked them, so it is
there wherever the project builds. Beside it stand generated files with the bytes that real source
seldom has: invalid UTF-8, CRLF, no final newline, byte order marks, odd names.
"""

import json
import pathlib
import shutil
import subprocess
import sys

CRATES = ("regex-automata", "encoding_rs", "clap_builder")
# Three megabytes of generated tables, in which a search for a digit finds 100,000 lines.
LEFT_OUT = ("data.rs",)
AT_LEAST = 150

GENERATED = {
    "invalid_utf8.txt": b"before\nfoo \xff\xfe bar\ncaf\xe9 latin\nlone \x80 continuation\noverlong \xc0\xaf end\n"
    b"surrogate \xed\xa0\x80 x\ntruncated \xe2\x82\nfoo after\n\xf0\x9f\x98\nfoo last \xff\n",
    "latin1.txt": "Grüße aus Köln\nfoo naïve café\nÆØÅ æøå\n".encode("latin-1"),
    "crlf.txt": b"first line\r\nfoo\r\nfoo bar\r\n\r\nlast foo\r\nend\r\n",
    "mixed_line_ends.txt": b"unix foo\nwindows foo\r\nold mac foo\rsame line\nfoo\r\r\nend foo",
    "carriage_returns.txt": b"foo one\rfoo two\rfoo three\r",
    "no_newline.txt": b"foo\nbar\nlast line has no newline foo",
    "one_line.txt": b"foo",
    "empty.txt": b"",
    "blank_lines.txt": b"\n\n\n  \n\t\n\n",
    "bom.txt": b"\xef\xbb\xbffoo after a mark\nfoo again\n",
    "utf16le.txt": b"\xff\xfe" + "foo in UTF-16\nΔέλτα δέλτα\nunix end\n".encode("utf-16-le"),
    "utf16be.txt": b"\xfe\xff" + "foo in big endian\r\nстрока foo\r\nno end".encode("utf-16-be"),
    "tabs.txt": b"\tfoo\n\t\tfoo\tbar\n  foo \n foo\t\n",
    "a file with spaces.txt": b"foo in a name with spaces\n",
    "-dash.txt": b"foo behind a dash\n",
    "ünïcode-名前.txt": "foo in an unusual name\n".encode(),
    ".hidden.txt": b"foo in a hidden file\n",
    "sub/.hidden/inner.txt": b"foo in a hidden folder\n",
    "order/a/x.txt": b"foo\n",
    "order/a-b/x.txt": b"foo\n",
    "order/a.txt": b"foo\n",
    "order/a0/x.txt": b"foo\n",
    "ignored/.gitignore": b"*.log\n",
    "ignored/.ignore": b"*.tmp\n",
    "ignored/run.log": b"foo in a file that git would ignore\n",
    "ignored/run.tmp": b"foo in a file that ripgrep would ignore\n",
    "many_on_a_line.txt": b"foo foo foo foofoo\nfoofoo\nfo fooo\n",
    "blocks.txt": b"begin\n  one\nend\nbegin\n  two\n  three\nend\nbegin end\nbegin\n",
    "numbers.txt": b"0x1F 3.14 -42 1e10 1_000\n192.168.0.1 10.0.0.256\n2026-07-28T12:00:00Z\n+49 30 123456\n",
    "unicode.txt": (
        "Ελληνικά ΕΛΛΗΝΙΚΑ ς σ Σ\nрусский РУССКИЙ Ёлка ёлка\nstraße STRASSE STRAẞE\nKelvin \u212a k K\n"
        "long ſ s S\nİstanbul ıspanak I i\ncafé cafe\u0301\nemoji 👍🏽 👩‍👩‍👧 🏳️‍🌈\n中文字符 日本語 한국어\nمرحبا שלום\n"
        "zero\u200bwidth no\u00a0break\n① Ⅷ ½ ٣ ३\nfoo\u2028bar\nfoo\u0085bar\nǅ ǆ Ǆ\nﬁ ligature\n"
    ).encode(),
}


def crate_folders(repository):
    """Where cargo has unpacked the crates."""
    done = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"],
        cwd=repository, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300,
    )
    manifests = {p["name"]: p["manifest_path"] for p in json.loads(done.stdout)["packages"]}
    return {name: pathlib.Path(manifests[name]).parent for name in CRATES}


def main(repository, workspace):
    workspace = pathlib.Path(workspace)
    for name, folder in crate_folders(repository).items():
        shutil.copytree(folder, workspace / "crates" / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name, content in GENERATED.items():
        path = workspace / "generated" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (workspace / "generated/deep" / "/".join(f"level{n}" for n in range(20))).mkdir(parents=True)
    files = [path for path in workspace.rglob("*") if path.is_file()]
    if len(files) < AT_LEAST:
        sys.exit(f"only {len(files)} files in the workspace; expected at least {AT_LEAST}")
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
