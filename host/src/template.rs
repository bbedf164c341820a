//! What our HTML pages share: a style, and how values get into a template. A page
//! is one file and loads nothing.

use crate::digest::Digest;

/// Colours, type and the elements that every page has.
const STYLE: &str = include_str!("page.css");

/// Fills the places `{{name}}` of a template, in one pass: what is put in is not
/// searched for places again. `data` is JSON for a script element; `value` gives
/// the HTML for a place that is neither that, the style, nor the nonce.
#[must_use]
pub fn fill(template: &str, data: &str, value: impl Fn(&str) -> String) -> String {
    let data = in_script(data);
    // No name of a file can hold the digest of a text that it is part of.
    let nonce = &Digest::of(data.as_bytes()).hex()[..32];
    let mut page = String::with_capacity(template.len() + STYLE.len() + data.len() * 4);
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..].find("}}").map_or(rest.len(), |end| start + end);
        page.push_str(&rest[..start]);
        match &rest[start + 2..end] {
            "nonce" => page.push_str(nonce),
            "style" => page.push_str(STYLE),
            "data" => page.push_str(&data),
            name => page.push_str(&value(name)),
        }
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    page.push_str(rest);
    page
}

/// Escapes text for an element or a quoted attribute.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            other if is_unseen(other) => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Returns whether a character moves the cursor, or changes the order or the look of
/// those around it: control characters, and those of bidirectional text.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// Escapes JSON for a script element, which nothing in it may end.
fn in_script(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_what_it_stands_in() {
        assert_eq!(escaped("</script>\"'&\n"), "&lt;/script&gt;&quot;&#39;&amp; ");
        assert_eq!(escaped("a\u{202e}b\u{2066}\u{feff}é"), "a\u{fffd}b\u{fffd}\u{fffd}é");
        assert_eq!(in_script("</script><!--&"), "\\u003c/script\\u003e\\u003c!--\\u0026");
    }

    #[test]
    fn what_is_put_in_is_no_place() {
        let page = fill("<{{a}}>{{data}}", "{{a}}", |_| "{{data}}".to_owned());
        assert_eq!(page, "<{{data}}>{{a}}");
    }
}
