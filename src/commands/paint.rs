//! Colors for what matters in an answer that a person reads; the face leaves them out where they are not wanted. Not a
//! verb itself.

/// As it should be.
pub(super) fn good(text: &str) -> String {
    painted("32", text)
}

/// Worth a look.
pub(super) fn notable(text: &str) -> String {
    painted("33", text)
}

/// Wrong.
pub(super) fn bad(text: &str) -> String {
    painted("31", text)
}

fn painted(color: &str, text: &str) -> String {
    format!("\x1b[{color}m{text}\x1b[0m")
}
