//! Paths as a person reads and types them: `~/.ampup`, and relative to the working directory what lies in it.

use crate::env::Env;

/// The directories that paths are shortened by.
#[derive(Debug, Clone, Default)]
pub(super) struct ShortPaths {
    home: Option<String>,
    here: Option<String>,
}

impl ShortPaths {
    pub(super) fn of(env: &Env) -> Self {
        let home = env
            .user_home()
            .filter(|home| home.is_absolute() && home.parent().is_some());
        // Where the home directory is in it, `~` says more.
        let here = env
            .current_dir()
            .filter(|here| here.parent().is_some() && home.is_none_or(|home| !home.starts_with(here)));
        if cfg!(windows) {
            return Self::default();
        }
        Self {
            home: home.map(ToString::to_string),
            here: here.map(ToString::to_string),
        }
    }

    /// The text with its paths shortened. One in quotes stays: a shell expands no `~` there.
    pub(super) fn shorten(&self, text: &str) -> String {
        let text = match &self.here {
            Some(here) => replaced(text, &format!("{here}/"), "", |next| next.is_some_and(is_of_path)),
            None => text.to_owned(),
        };
        match &self.home {
            // The home directory itself is named: `~` says less than its path.
            Some(home) => replaced(&text, &format!("{home}/"), "~/", |_| true),
            None => text,
        }
    }
}

fn is_of_path(letter: char) -> bool {
    !matches!(
        letter,
        '`' | ' ' | ',' | ';' | ':' | ')' | '\'' | '"' | '\n' | '/'
    )
}

/// Replaces a path where it begins a word and is followed by what it may be followed by.
fn replaced(text: &str, path: &str, by: &str, may_follow: impl Fn(Option<char>) -> bool) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, after) = (&rest[..at], &rest[at + path.len()..]);
        let begins = before.chars().next_back().or(shown.chars().next_back());
        let is_word = begins.is_none_or(|letter| matches!(letter, ' ' | '`' | '(' | '\n'));
        shown += before;
        shown += if is_word && may_follow(after.chars().next()) {
            by
        } else {
            path
        };
        rest = after;
    }
    shown + rest
}

/// On Windows paths are shown whole.
#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn paths_are_as_short_as_they_are_typed() {
        let places = |home: &str, here: &str| ShortPaths::of(&Env::from_variables([("HOME", home)], here));
        let shorten = |text: &str| places("/home/u", "/home/u/shop").shorten(text);
        let rows = [
            ("in `/home/u/.ampup/bin`", "in `~/.ampup/bin`"),
            ("`. /home/u/.ampup/env`", "`. ~/.ampup/env`"),
            ("/home/u/shop/.amp/metadb: x", ".amp/metadb: x"),
            ("`/home/u/shop` (/home/u)", "`~/shop` (/home/u)"),
            ("`/home/user/x` /x/home/u/y", "`/home/user/x` /x/home/u/y"),
            ("rm '/home/u/a b' \"/home/u/c\"", "rm '/home/u/a b' \"/home/u/c\""),
            ("AMP_DIR=/home/u/x", "AMP_DIR=/home/u/x"),
            ("`/home/u/shop/`", "`~/shop/`"),
            ("file:///home/u/x", "file:///home/u/x"),
        ];
        every(rows, |(long, short)| {
            assert_eq!(shorten(long), short, "{long}");
        });
        let at_home = places("/home/u", "/home/u");
        assert_eq!(at_home.shorten("`/home/u/.ampup`"), "`~/.ampup`");
        let at_root = places("/", "/");
        assert_eq!(at_root.shorten("`/x`"), "`/x`");
        let elsewhere = places("/home/u", "/srv/p");
        assert_eq!(elsewhere.shorten("`/srv/p/.amp`"), "`.amp`");
    }
}
