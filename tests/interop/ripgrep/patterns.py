"""The searches on which `grep` and ripgrep must agree: (pattern, options of `grep`)."""

# Options of `grep`, and what they are for ripgrep.
I = {"ignore_case": True}
F = {"literal": True}
U = {"multiline": True}
GENERATED = {"path": "generated"}
CLAP = {"path": "crates/clap_builder"}
AUTOMATA = {"path": "crates/regex-automata"}
ENCODING = {"path": "crates/encoding_rs"}

PLAIN = [
    "foo", "TODO", "FIXME", "unsafe", "pub fn", "impl", "Result<", "Option<", "unwrap\\(\\)", "#\\[inline\\]",
    "Vec<u8>", "-> bool", "where", "crate::", "std::fmt", "panic!", "assert_eq!", "// ", "/// ", "//! ",
    "https?://", "license", "MIT", "Copyright", "deprecated", "lifetime", "loop", "0x", "->", "=>",
    "\\|", "\\{\\}", "\\\\n", "\"\"", "''?'", ";$", ",$", "\\{$", "^\\}$", "::<",
]  # fmt: skip

BOUNDARIES = [
    "\\bfoo\\b", "\\bfoo", "foo\\b", "\\Bfoo", "foo\\B", "\\bfn\\b", "\\bself\\b", "\\bu8\\b", "\\bmut\\s+self\\b",
    "\\b[A-Z]{2,}\\b", "\\bis_\\w+\\b", "\\b\\d+\\b", "\\bcafé\\b", "\\bδέλτα\\b", "\\bёлка\\b", "\\b{start}foo",
    "foo\\b{end}", "\\<impl\\>", "\\b{start-half}foo", "foo\\b{end-half}", "(?-u:\\bfoo\\b)", "\\bstraße\\b",
]  # fmt: skip

ANCHORS = [
    "^use ", "^pub ", "^\\s*//", "^$", "^\\s+$", "^foo$", "^foo", "foo$", "^\\s*\\}$", "^\\t", "\\s$", "^ {8}\\w",
    "^#", "^#!\\[", "^.$", "^..$", "^.{100,}$", "^(foo|bar)$", "^end$", "end$", "^last", "\\r$", "^foo\\r$", "foo.$",
    "^begin$", "(?m)^end$", "^\\W*$", "^\\w+$",
]  # fmt: skip

CLASSES = [
    "[aeiou]{4}", "[^\\x00-\\x7F]", "[[:upper:]]{5,}", "[[:digit:]]+\\.[[:digit:]]+", "[[:punct:]]{4}", "\\d{4}-\\d{2}-\\d{2}",
    "\\d{1,3}(\\.\\d{1,3}){3}", "[+-]?\\d+(e\\d+)?", "\\x41\\x42", "[a-z&&[^aeiou]]{6}", "[0-9a-fA-F]{8}", "[\\w.]+@[\\w.]+",
    "\\s{12}", "\\S{80,}", "[\\[\\]]", "[\\^-]", "\\W{6}", "[\"'`]", "\\p{Lu}\\p{Ll}+", "\\p{Greek}+", "\\p{Cyrillic}",
    "\\p{Han}", "\\p{Hangul}", "\\p{Arabic}", "\\p{Hebrew}", "\\p{Emoji}", "\\p{N}", "\\p{Nd}{3}", "\\P{ASCII}", "\\pS",
    "\\p{Sc}", "\\p{Mn}", "[^\\p{L}\\s\\p{P}\\d]", "\\p{L}\\p{M}", "[α-ω]+", "[А-Я]", "[一-龥]", "\\d", "(?-u:\\d){5}",
    "(?-u:[^\\x00-\\x7F])", "\\u{e9}", "\\u{1F44D}", "\\x{2028}", "\\u{85}", "\\xe9", "(?-u:\\xe9)", "(?-u:\\xff)",
]  # fmt: skip

GROUPS = [
    "foo|bar", "foo|foobar", "(pub|priv)", "(?:fn|struct|enum|trait) [A-Z]\\w*", "struct|enum|union", "a|b|c|d",
    "unwrap|expect|panic!", "impl(<.*>)? \\w+ for \\w+", "(\\w+)::(\\w+)::(\\w+)", "(a(b(c(d)?)?)?)?z",
    "Err\\((.*)\\)", "x{2,3}", "x*y", "fo+", "fo*o$", "f.o", "f.*o", "f.*?o", "(foo){2}", "(foo ){3}", "(?i:FOO)bar",
    "colou?r", "(?P<name>\\w+) = (?P<value>\\d+);", "\\w+\\s*=\\s*\\w+", "(?x) foo \\s bar", "(?s).foo", "(?U)f.*o",
    "Δ|д|字", "straße|strasse", "match .* \\{", "->.*\\{", "if let (Some|Ok)\\(", "&'(a|static) ", "<'[a-z]+>",
]  # fmt: skip

CASELESS = [
    "foo", "FOO", "todo", "copyright", "utf-?8", "utf-?16", "ελληνικα", "ΣΊΓΜΑ|σ", "русский", "ёлка", "straße", "STRASSE",
    "k", "ſ", "İSTANBUL", "ı", "ǆ", "[a-f]{6}", "\\bdfa\\b", "^PUB FN", "δέλτα", "é", "ﬁ", "licen[cs]e", "ungültig|ΕΛΛΗΝΙΚΆ|ελληνικά",
]  # fmt: skip

LITERALS = [
    "foo", "a.b", "()", "[u8]", "*self", "?;", "\\n", "\\", "$", "^", "|", "||", "&&", "{}", "{:?}", "#[cfg(test)]",
    "Option<&'a str>", "...", "..=", "+", "(", "[", "/*", "*/", "\\x", "🏽", "日本語", "é", "e\u0301", "foo bar", "\t",
    "  ", "\u00a0", "=> {", "= 1",
]  # fmt: skip

MULTILINE = [
    "begin\\n  one\\nend", "begin\\n(  .*\\n)*end", "foo\\r?\\n", "foo\\nbar", "\\n\\n\\n", "(?s)begin.*?end", "\\{\\n\\s*\\}",
    "#\\[derive\\(.*\\)\\]\\npub (struct|enum) \\w+", "///.*\\n\\s*pub fn \\w+", "fn \\w+\\(\\n", "use [^;]*\\{[^;]*\\};",
    "\\}\\n\\nimpl", "^$\\n^$", "foo$\\n^foo", "(?m)^foo$", "if .*\\{\\n\\s+return", "end\\nbegin", "\\r\\n\\r\\n",
    "match self \\{\\n[^}]*\\}", "foo", "\\bend\\b\\n\\bbegin\\b", "[^;{}]\\n\\}", "δέλτα\\n",
]  # fmt: skip

NARROWED = [
    ("fn main", {"glob": "**/*.rs"}), ("name", {"glob": "**/*.toml"}), ("foo", {"glob": "**/*.txt"}), ("foo", {"glob": "*.txt"}),
    ("foo", {"glob": "**/crlf.txt"}), ("version", {"glob": "**/Cargo.*"}), ("pub", {"glob": "**/{lib,mod}.rs"}),
    ("regex", {"glob": "**/[A-Z]*"}), ("foo", {"glob": "**/.hidden*"}), ("foo", {"type": "txt"}), ("pub fn", {"type": "rust"}),
    ("name", {"type": "toml"}), ("encoding", {"type": "md"}), ("foo", {"path": "generated/crlf.txt"}), ("impl", CLAP), ("state", AUTOMATA),
    ("decode", ENCODING), ("foo", {"path": "generated/order"}), ("foo", {"path": "generated/ignored"}), (".", {"path": "generated/sub"}),
    ("foo", {"path": "./generated/order/"}), ("struct", {"path": "crates/clap_builder/src", "glob": "**/*.rs", "ignore_case": True}),
]  # fmt: skip

IN_CONTEXT = [
    ("foo", {"context": 1}), ("foo", {"context": 3} | GENERATED), ("^$", {"before": 2} | CLAP), ("^impl", {"after": 4}), ("fn main", {"before": 5, "after": 1}),
    ("unsafe", {"context": 2} | ENCODING), ("^end$", {"before": 3} | GENERATED), ("TODO|FIXME", {"context": 10}), ("\\p{Greek}", {"after": 2} | GENERATED),
    ("pub fn", {"context": 2, "glob": "**/*.rs"} | AUTOMATA),
]  # fmt: skip

# Patterns that match a good part of all lines are asked of a part of the workspace.
NEARLY_EVERY_LINE = [".*", "x*", "^", "$", ".", "\\s", "\\b"]
MANY_LINES = {
    "// ", "/// ", ";$", ",$", "\\{$", "\\bself\\b", "\\b[A-Z]{2,}\\b", "\\b\\d+\\b", "^\\s*//", "^$", "^\\s*\\}$", "^ {8}\\w",
    "^\\W*$", "[[:punct:]]{4}", "[+-]?\\d+(e\\d+)?", "\\s{12}", "[\\[\\]]", "[\\^-]", "\\W{6}", "[\"'`]", "\\p{Lu}\\p{Ll}+", "\\p{Emoji}",
    "\\p{N}", "\\pS", "[^\\p{L}\\s\\p{P}\\d]", "\\d", "a|b|c|d", "x*y", "fo+", "f.*o", "f.*?o", "(?U)f.*o", "k", "ſ", "()", "(", "[", "  ",
}  # fmt: skip
PART = {"path": "crates/regex-automata/src/util"}


def searches():
    """All of them, each once."""
    every = [(pattern, {}) for pattern in PLAIN + BOUNDARIES + ANCHORS + CLASSES + GROUPS]
    every += [(pattern, I) for pattern in CASELESS]
    every += [(pattern, F) for pattern in LITERALS]
    every += [(pattern, I | F) for pattern in LITERALS[-14:]]
    every += [(pattern, U) for pattern in MULTILINE]
    every += [(pattern, U | I) for pattern in MULTILINE[:4]]
    every = [(pattern, options | PART if pattern in MANY_LINES else options) for pattern, options in every]
    # The generated files have every oddity, so what was narrowed is asked of them too.
    every += [(pattern, options | GENERATED) for pattern, options in every if options.get("path") == PART["path"]]
    every += NARROWED + IN_CONTEXT + [(pattern, GENERATED) for pattern in NEARLY_EVERY_LINE]
    seen, unique = set(), []
    for pattern, options in every:
        key = (pattern, tuple(sorted(options.items())))
        if key not in seen:
            seen.add(key)
            unique.append((pattern, options))
    return unique
