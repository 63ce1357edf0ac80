//! Shell integration, by which a shell finds ampup's programs: one generated file a shell in the home (`env`,
//! `env.fish`, …), and in the user's own files one marked block that reads it.
//!
//! Everything here is text in, text out. Nothing looks at a file: `is_there` answers come from the caller.

pub mod block;
pub mod completions;
pub mod foreign;
pub mod record;
pub mod start_files;

use std::{fmt, str::FromStr};

use camino::{Utf8Path, Utf8PathBuf};

/// A shell that ampup can set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shell {
    /// Any POSIX shell: dash, busybox ash, ksh.
    Sh,
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
    /// nushell.
    Nushell,
    /// Windows PowerShell and PowerShell 7.
    PowerShell,
}

/// A shell that ampup has no file for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown shell `{0}` (known are sh, bash, zsh, fish, nushell, powershell; to `ampup env` also csh, elvish, xonsh)"
)]
pub struct UnknownShell(String);

impl Shell {
    /// Every shell that ampup can set up.
    pub const ALL: [Self; 6] = [
        Self::Sh,
        Self::Bash,
        Self::Zsh,
        Self::Fish,
        Self::Nushell,
        Self::PowerShell,
    ];

    /// Its name on ampup's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Nushell => "nushell",
            Self::PowerShell => "powershell",
        }
    }

    /// The names of its program, as PATH or `$SHELL` has them.
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Sh => &["sh", "dash", "ash", "ksh", "mksh"],
            Self::Bash => &["bash"],
            Self::Zsh => &["zsh"],
            Self::Fish => &["fish"],
            Self::Nushell => &["nu"],
            Self::PowerShell => &["pwsh", "powershell"],
        }
    }

    /// The shell whose program is at this path, as `$SHELL` names it.
    pub fn of_program(path: &Utf8Path) -> Option<Self> {
        let name = path.file_stem()?;
        Self::ALL
            .into_iter()
            .find(|shell| shell.programs().contains(&name))
    }

    /// Returns true for those that read sh's language.
    pub fn is_posix(self) -> bool {
        matches!(self, Self::Sh | Self::Bash | Self::Zsh)
    }

    /// The generated file in the home.
    pub fn env_file(self) -> &'static str {
        match self {
            Self::Sh | Self::Bash | Self::Zsh => "env",
            Self::Fish => "env.fish",
            Self::Nushell => "env.nu",
            Self::PowerShell => "env.ps1",
        }
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Shell {
    type Err = UnknownShell;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|shell| shell.as_str() == text || shell.programs().contains(&text))
            .ok_or_else(|| UnknownShell(text.to_owned()))
    }
}

/// A home that no shell can have on its PATH.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be put on PATH: it has a {1}")]
pub struct UnfitHome(Utf8PathBuf, &'static str);

/// The content of the generated files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    home: Utf8PathBuf,
    bin: Utf8PathBuf,
    exports_home: bool,
}

impl Setting {
    /// For the home at this absolute path. `AMPUP_HOME` is exported where it is not `.ampup` in the user's home
    /// directory, because nothing else would lead there.
    ///
    /// # Errors
    /// When the path cannot be an entry of PATH.
    pub fn new(home: &Utf8Path, user_home: Option<&Utf8Path>) -> Result<Self, UnfitHome> {
        let unfit = |what| Err(UnfitHome(home.to_owned(), what));
        if home.as_str().contains(char::is_control) {
            return unfit("control character or a line break");
        }
        if cfg!(windows) && home.as_str().contains([';', '"']) {
            return unfit("semicolon or a quote");
        }
        if !cfg!(windows) && home.as_str().contains(':') {
            return unfit("colon");
        }
        Ok(Self {
            home: home.to_owned(),
            bin: home.join("bin"),
            exports_home: user_home.is_none_or(|user| user.join(".ampup") != home),
        })
    }

    /// The generated file of the home for this shell: puts `bin` first on PATH, once.
    pub fn env_text(&self, shell: Shell) -> String {
        let bin = quote(shell, self.bin.as_str());
        let mut text =
            String::from("# Written by `ampup init`; changes are lost. It puts ampup's programs on PATH.\n");
        text += &match shell {
            // Quoted, the entry is no pattern. An empty PATH must not become `bin:`, which ends in the working directory.
            Shell::Sh | Shell::Bash | Shell::Zsh => format!(
                "case \":${{PATH-}}:\" in\n    *:{bin}:*) ;;\n    *) export PATH={bin}\"${{PATH:+:$PATH}}\" ;;\nesac\n"
            ),
            Shell::Fish => {
                format!("if not contains -- {bin} $PATH\n    set -gx PATH {bin} $PATH\nend\n")
            }
            Shell::Nushell => format!(
                "$env.PATH = ($env.PATH | split row (char esep) | where {{|entry| $entry != {bin} }} | prepend {bin})\n"
            ),
            Shell::PowerShell => format!(
                "if (($env:PATH -split [IO.Path]::PathSeparator) -cnotcontains {bin}) {{\n    \
                 $env:PATH = {bin} + [IO.Path]::PathSeparator + $env:PATH\n}}\n"
            ),
        };
        if self.exports_home {
            let home = quote(shell, self.home.as_str());
            text += &match shell {
                Shell::Sh | Shell::Bash | Shell::Zsh => {
                    format!("if [ -z \"${{AMPUP_HOME-}}\" ]; then export AMPUP_HOME={home}; fi\n")
                }
                Shell::Fish => format!("if not set -q AMPUP_HOME\n    set -gx AMPUP_HOME {home}\nend\n"),
                Shell::Nushell => {
                    format!("if \"AMPUP_HOME\" not-in $env {{ $env.AMPUP_HOME = {home} }}\n")
                }
                Shell::PowerShell => {
                    format!("if (-not $env:AMPUP_HOME) {{ $env:AMPUP_HOME = {home} }}\n")
                }
            };
        }
        text
    }

    /// The one line for a user's file. It does nothing, and says nothing, once the home is gone. A home at its default
    /// place is named by `$HOME`: dotfiles may be shared by machines on which that is another directory.
    pub fn line(&self, shell: Shell) -> String {
        if self.exports_home {
            return self.absolute_line(shell);
        }
        let name = shell.env_file();
        // nushell resolves `source` while parsing, when `$env` is not known; `~` is.
        let root = if shell == Shell::Nushell { "~" } else { "$HOME" };
        line_that_reads(shell, &format!("\"{root}/.ampup/{name}\""))
    }

    /// Every line that ampup writes, or has ever written, for this home: `$HOME`'s is what another machine's ampup writes
    /// into shared dotfiles.
    pub fn known_lines(&self) -> Vec<String> {
        let of = |shell| [self.line(shell), self.absolute_line(shell)];
        Shell::ALL.into_iter().flat_map(of).collect()
    }

    fn absolute_line(&self, shell: Shell) -> String {
        line_that_reads(shell, &quote(shell, self.home.join(shell.env_file()).as_str()))
    }
}

/// The line that reads a file; `file` is one word of the shell's.
fn line_that_reads(shell: Shell, file: &str) -> String {
    match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => format!("if [ -f {file} ]; then . {file}; fi"),
        Shell::Fish => format!("if test -f {file}; source {file}; end"),
        // `source` is resolved while parsing; `null` stands for a file that is not there.
        Shell::Nushell => {
            format!(
                "const ampup_env = if ({file} | path exists) {{ {file} }} else {{ null }}; source $ampup_env"
            )
        }
        Shell::PowerShell => format!("if (Test-Path -LiteralPath {file}) {{ . {file} }}"),
    }
}

/// `text` as one word of the shell that nothing is expanded in.
pub fn quote(shell: Shell, text: &str) -> String {
    match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => format!("'{}'", text.replace('\'', r"'\''")),
        Shell::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        Shell::Nushell => format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")),
        // Typographic quotes end a string too; doubled, each stands for itself.
        Shell::PowerShell => {
            let doubled = text.chars().flat_map(|letter| {
                let twice = matches!(letter, '\'' | '\u{2018}'..='\u{201b}');
                std::iter::repeat_n(letter, 1 + usize::from(twice))
            });
            format!("'{}'", doubled.collect::<String>())
        }
    }
}

/// `text` as one word that can be typed in most shells: quoted where it must be.
pub fn typed(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./+@:".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        quote(Shell::Sh, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn a_home_that_would_split_path_is_refused() {
        every(["/a\nb", "/a\u{7}b"], |bad| {
            assert!(Setting::new(bad.into(), None).is_err(), "{bad:?}");
        });
        assert_eq!(Setting::new("/a:b".into(), None).is_err(), !cfg!(windows));
        // In PATH of Windows a quote has a meaning of its own.
        let odd = if cfg!(windows) {
            "/a b'c$dé"
        } else {
            "/a b'c$d\"é"
        };
        assert!(Setting::new(odd.into(), None).is_ok());
    }

    #[test]
    fn ampup_home_is_exported_only_where_nothing_else_leads_there() {
        let usual = Setting::new("/u/.ampup".into(), Some("/u".into())).expect("fit");
        let moved = Setting::new("/opt/amp".into(), Some("/u".into())).expect("fit");
        every(Shell::ALL, |shell| {
            assert!(!usual.env_text(shell).contains("AMPUP_HOME"), "{shell}");
            assert!(moved.env_text(shell).contains("AMPUP_HOME"), "{shell}");
            assert_eq!(moved.line(shell).lines().count(), 1, "{shell}");
            let file = Utf8Path::new("/opt/amp").join(shell.env_file());
            assert!(
                moved.line(shell).contains(&quote(shell, file.as_str())),
                "{shell}"
            );
            assert!(
                !usual.line(shell).contains("/u/"),
                "{shell}: it is shared between machines"
            );
        });
    }

    #[test]
    fn shells_are_known_by_their_programs() {
        assert_eq!(Shell::of_program("/usr/bin/zsh".into()), Some(Shell::Zsh));
        assert_eq!(Shell::of_program("/bin/tcsh".into()), None);
        assert_eq!("nu".parse(), Ok(Shell::Nushell));
        assert_eq!("pwsh".parse(), Ok(Shell::PowerShell));
        assert!("csh".parse::<Shell>().is_err());
    }

    #[test]
    fn quotes_of_every_kind_stay_in_the_word() {
        assert_eq!(quote(Shell::Sh, "a'b"), r"'a'\''b'");
        assert_eq!(quote(Shell::Fish, r"a\'b"), r"'a\\\'b'");
        assert_eq!(quote(Shell::Nushell, "a\"\\b"), r#""a\"\\b""#);
        assert_eq!(
            quote(Shell::PowerShell, "a'b\u{2019}c"),
            "'a''b\u{2019}\u{2019}c'"
        );
    }
}
