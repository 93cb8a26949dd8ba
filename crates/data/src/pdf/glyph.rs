//! What the codes of simple fonts, and the names of their glyphs, stand for.

/// The codes from 128 of the encoding of Windows.
pub(super) const WIN_ANSI: &str = "\
    €\u{fffd}‚ƒ„…†‡ˆ‰Š‹Œ\u{fffd}Ž\u{fffd}\u{fffd}‘’“”•–—˜™š›œ\u{fffd}žŸ\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";

/// The codes from 128 of the encoding of Mac OS.
pub(super) const MAC_ROMAN: &str = "\
    ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

/// Glyphs that are no letters of ASCII with or without an accent.
const GLYPHS: &[(&str, &str)] = &[
    ("space", " "),
    ("exclam", "!"),
    ("quotedbl", "\""),
    ("numbersign", "#"),
    ("dollar", "$"),
    ("percent", "%"),
    ("ampersand", "&"),
    ("quotesingle", "'"),
    ("parenleft", "("),
    ("parenright", ")"),
    ("asterisk", "*"),
    ("plus", "+"),
    ("comma", ","),
    ("hyphen", "-"),
    ("period", "."),
    ("slash", "/"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("colon", ":"),
    ("semicolon", ";"),
    ("less", "<"),
    ("equal", "="),
    ("greater", ">"),
    ("question", "?"),
    ("at", "@"),
    ("bracketleft", "["),
    ("backslash", "\\"),
    ("bracketright", "]"),
    ("asciicircum", "^"),
    ("underscore", "_"),
    ("grave", "`"),
    ("braceleft", "{"),
    ("bar", "|"),
    ("braceright", "}"),
    ("asciitilde", "~"),
    ("bullet", "•"),
    ("endash", "–"),
    ("emdash", "—"),
    ("quoteleft", "‘"),
    ("quoteright", "’"),
    ("quotedblleft", "“"),
    ("quotedblright", "”"),
    ("quotesinglbase", "‚"),
    ("quotedblbase", "„"),
    ("ellipsis", "…"),
    ("dagger", "†"),
    ("daggerdbl", "‡"),
    ("perthousand", "‰"),
    ("guilsinglleft", "‹"),
    ("guilsinglright", "›"),
    ("guillemotleft", "«"),
    ("guillemotright", "»"),
    ("fi", "fi"),
    ("fl", "fl"),
    ("ff", "ff"),
    ("ffi", "ffi"),
    ("ffl", "ffl"),
    ("Euro", "€"),
    ("cent", "¢"),
    ("sterling", "£"),
    ("yen", "¥"),
    ("section", "§"),
    ("copyright", "©"),
    ("registered", "®"),
    ("trademark", "™"),
    ("degree", "°"),
    ("plusminus", "±"),
    ("mu", "µ"),
    ("multiply", "×"),
    ("divide", "÷"),
    ("paragraph", "¶"),
    ("periodcentered", "·"),
    ("onehalf", "½"),
    ("onequarter", "¼"),
    ("threequarters", "¾"),
    ("onesuperior", "¹"),
    ("twosuperior", "²"),
    ("threesuperior", "³"),
    ("exclamdown", "¡"),
    ("questiondown", "¿"),
    ("germandbls", "ß"),
    ("ae", "æ"),
    ("AE", "Æ"),
    ("oe", "œ"),
    ("OE", "Œ"),
    ("oslash", "ø"),
    ("Oslash", "Ø"),
    ("aring", "å"),
    ("Aring", "Å"),
    ("thorn", "þ"),
    ("Thorn", "Þ"),
    ("eth", "ð"),
    ("Eth", "Ð"),
    ("dotlessi", "ı"),
    ("lslash", "ł"),
    ("Lslash", "Ł"),
    ("minus", "−"),
    ("fraction", "⁄"),
    ("nbspace", " "),
    ("florin", "ƒ"),
    ("currency", "¤"),
    ("brokenbar", "¦"),
    ("ordfeminine", "ª"),
    ("ordmasculine", "º"),
    ("logicalnot", "¬"),
    ("macron", "¯"),
    ("acute", "´"),
    ("dieresis", "¨"),
    ("cedilla", "¸"),
    ("circumflex", "ˆ"),
    ("tilde", "˜"),
    ("caron", "ˇ"),
];

/// The ends of the names of accented letters, and the accents.
const ACCENTS: [(&str, char); 10] = [
    ("acute", '\u{301}'),
    ("grave", '\u{300}'),
    ("circumflex", '\u{302}'),
    ("dieresis", '\u{308}'),
    ("tilde", '\u{303}'),
    ("cedilla", '\u{327}'),
    ("caron", '\u{30c}'),
    ("ring", '\u{30a}'),
    ("ogonek", '\u{328}'),
    ("dotaccent", '\u{307}'),
];

/// The text that a glyph of this name shows; none for a name that says nothing.
pub(super) fn named(name: &str) -> Option<String> {
    let bare = name.split('.').next().unwrap_or(name);
    if bare.len() == 1 {
        return Some(bare.to_owned());
    }
    if let Some((_, text)) = GLYPHS.iter().find(|(known, _)| *known == bare) {
        return Some((*text).to_owned());
    }
    for (end, accent) in ACCENTS {
        if let Some(letter) = bare.strip_suffix(end)
            && letter.len() == 1
        {
            return Some(composed(letter, accent));
        }
    }
    let digits = bare.strip_prefix("uni").or_else(|| bare.strip_prefix('u'))?;
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() >= 4)?;
    char::from_u32(code).map(|character| character.to_string())
}

/// A letter with its accent, as one character where there is one.
fn composed(letter: &str, accent: char) -> String {
    let at = |letters: &str, accented: &str| {
        let place = letters.chars().position(|one| letter.starts_with(one))?;
        accented.chars().nth(place)
    };
    let one = match accent {
        '\u{301}' => at("aeiouyAEIOUYcnszCNSZ", "áéíóúýÁÉÍÓÚÝćńśźĆŃŚŹ"),
        '\u{300}' => at("aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
        '\u{302}' => at("aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
        '\u{308}' => at("aeiouyAEIOUY", "äëïöüÿÄËÏÖÜŸ"),
        '\u{303}' => at("anoANO", "ãñõÃÑÕ"),
        '\u{327}' => at("csCS", "çşÇŞ"),
        '\u{30c}' => at("cdenrstzCDENRSTZ", "čďěňřšťžČĎĚŇŘŠŤŽ"),
        '\u{30a}' => at("auAU", "åůÅŮ"),
        '\u{328}' => at("aeAE", "ąęĄĘ"),
        '\u{307}' => at("zegIZ", "żėġİŻ"),
        _ => None,
    };
    one.map_or_else(|| format!("{letter}{accent}"), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_glyphs_are_texts() {
        for (name, text) in [
            ("A", "A"),
            ("eacute", "é"),
            ("fi", "fi"),
            ("uni20AC", "€"),
            ("a.alt", "a"),
            ("comma", ","),
        ] {
            assert_eq!(named(name).as_deref(), Some(text), "{name}");
        }
        assert_eq!(named("g123"), None);
        assert_eq!((WIN_ANSI.chars().count(), MAC_ROMAN.chars().count()), (128, 128));
    }
}
