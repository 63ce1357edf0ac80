//! Markup that is well-formed, in which no value means anything but itself.

use std::fmt::Write as _;

/// Markup. Only a template makes it, so that every value in it was escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Html(String);

/// Something that stands in a template.
pub(super) trait Value {
    /// Writes it as markup.
    fn write(&self, into: &mut String);
}

/// Fills a template: each `{name}` is the value of that name.
///
/// # Panics
/// When the template names a value that is not given; a test fills every template.
pub(super) fn fill(template: &'static str, values: &[(&str, &dyn Value)]) -> Html {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').expect("a name ends");
        let (_, value) = values
            .iter()
            .find(|(given, _)| *given == name)
            .unwrap_or_else(|| panic!("the value `{name}`"));
        text.push_str(before);
        value.write(&mut text);
        rest = after;
    }
    text.push_str(rest);
    Html(text)
}

/// A link to an address of the web; of any other address only the text is left.
pub(super) fn link(address: &str, text: &str) -> Html {
    if address.starts_with("https://") || address.starts_with("http://") {
        fill(
            "<a href=\"{address}\" rel=\"noopener\">{text}</a>",
            &[("address", &address), ("text", &text)],
        )
    } else {
        fill("{text}", &[("text", &text)])
    }
}

impl Html {
    /// The same with more behind it.
    pub(super) fn push(&mut self, more: &Self) {
        self.0.push_str(&more.0);
    }

    /// Several in one.
    pub(super) fn of(all: impl IntoIterator<Item = Self>) -> Self {
        Self(all.into_iter().map(|one| one.0).collect())
    }

    /// The markup as text.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Value for Html {
    fn write(&self, into: &mut String) {
        into.push_str(&self.0);
    }
}

impl Value for &str {
    fn write(&self, into: &mut String) {
        for letter in self.chars() {
            match letter {
                '&' => into.push_str("&amp;"),
                '<' => into.push_str("&lt;"),
                '>' => into.push_str("&gt;"),
                '"' => into.push_str("&quot;"),
                '\'' => into.push_str("&#39;"),
                // XML has no other control characters, not even as numbers.
                '\t' | '\n' | '\r' => into.push(letter),
                letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                    let _ = write!(into, "{}", char::REPLACEMENT_CHARACTER);
                }
                letter => into.push(letter),
            }
        }
    }
}

impl Value for String {
    fn write(&self, into: &mut String) {
        self.as_str().write(into);
    }
}
