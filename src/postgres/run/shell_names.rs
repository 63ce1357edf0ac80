//! Names that Windows' command interpreter, through which pg_ctl starts a server, would replace in a path.

use std::collections::BTreeSet;

/// The names between percent signs in these paths. Whoever gives each of them the value `%NAME%` has the interpreter put the
/// very same text in its place: what it puts in is not looked at again, and a variable comes before a name that it knows
/// itself, such as `%CD%` (<https://learn.microsoft.com/windows-server/administration/windows-commands/cmd>).
pub(crate) fn names_in<'a>(paths: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for path in paths {
        let parts: Vec<&str> = path.split('%').collect();
        // The first and the last are not between two signs; which of the others are, depends on which names are known.
        names.extend(parts.iter().take(parts.len().saturating_sub(1)).skip(1));
    }
    names.remove("");
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn every_name_that_could_be_replaced_is_found() {
        let rows = [
            (r"C:\plain\path", &[][..]),
            (r"C:\100% sure", &[]),
            (r"C:\a%TEMP%b\.amp", &["TEMP"]),
            (r"C:\%A%B%C%", &["A", "B", "C"]),
            (r"C:\%%CD%%", &["CD"]),
        ];
        every(rows, |(path, names)| {
            let found: Vec<&str> = names_in([path]).into_iter().collect();
            assert_eq!(found, names, "{path}");
        });
        assert_eq!(names_in([r"C:\%A%", r"D:\%B%"]).len(), 2);
    }
}
