//! Time stamps as people read them.

use mcp_workspace_tools::text::markup::Markup;

/// Adds the time of a record, to the minute. A text that is not a time stamp is shown as it is.
pub(super) fn when(out: &mut Markup, text: &str) {
    match to_the_minute(text) {
        Some((day, time)) => {
            out.raw("<time datetime=\"").text(text).raw("\">").text(day).raw(" ").text(time);
            out.raw(" UTC</time>");
        }
        None => {
            out.text(text);
        }
    }
}

/// Day and time of `2026-11-25T08:45:32.485200086Z`.
fn to_the_minute(text: &str) -> Option<(&str, &str)> {
    let (day, rest) = text.strip_suffix('Z')?.split_once('T')?;
    let time = rest.get(..5)?;
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text.chars().zip(form.chars()).all(|(character, form)| match form {
                '0' => character.is_ascii_digit(),
                other => character == other,
            })
    };
    let seconds = rest.get(5..).unwrap_or_default().chars();
    let plain = seconds.into_iter().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.'));
    (fits(day, "0000-00-00") && fits(time, "00:00") && plain).then_some((day, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_to_the_minute_and_nothing_else_is_taken_for_one() {
        let shown = |text| {
            let mut out = Markup::new();
            when(&mut out, text);
            out.into_string()
        };
        let text = "2026-11-25T08:45:32.485200086Z";
        assert_eq!(shown(text), format!("<time datetime=\"{text}\">2026-11-25 08:45 UTC</time>"));
        for other in ["", "yesterday", "2026-11-25T08:4ö", "2026-11-25T08:45:<b>Z", "2026-11-25"] {
            assert!(!shown(other).contains("<time"), "{other}");
        }
        assert_eq!(shown("<i>"), "&lt;i&gt;");
    }
}
