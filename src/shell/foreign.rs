//! Shells that ampup writes no file for: what makes one of them find ampup's programs, for the user to add.

use std::str::FromStr;

use camino::Utf8Path;

use super::{Setting, Shell, UnknownShell};

/// A shell that reads none of the files that ampup writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// csh and tcsh.
    Csh,
    /// Elvish.
    Elvish,
    /// xonsh.
    Xonsh,
}

impl Foreign {
    const ALL: [Self; 3] = [Self::Csh, Self::Elvish, Self::Xonsh];

    /// Its name on ampup's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csh => "csh",
            Self::Elvish => "elvish",
            Self::Xonsh => "xonsh",
        }
    }

    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Csh => &["csh", "tcsh", "bsd-csh"],
            Self::Elvish => &["elvish"],
            Self::Xonsh => &["xonsh"],
        }
    }

    /// The file of the user's that it reads when it starts.
    pub fn start_file(self) -> &'static str {
        match self {
            // tcsh reads this one where there is no `.tcshrc`.
            Self::Csh => "~/.cshrc",
            Self::Elvish => "~/.config/elvish/rc.elv",
            Self::Xonsh => "~/.xonshrc",
        }
    }

    /// The lines that put ampup's programs on PATH.
    pub fn env_text(self, setting: &Setting) -> String {
        let (bin, home) = (
            self.quote(setting.bin.as_str()),
            self.quote(setting.home.as_str()),
        );
        let mut text = match self {
            Self::Csh => format!("setenv PATH {bin}:\"$PATH\"\n"),
            Self::Elvish => format!("set paths = [{bin} $@paths]\n"),
            Self::Xonsh => format!("$PATH.insert(0, {bin})\n"),
        };
        if setting.exports_home {
            text += &match self {
                Self::Csh => format!("setenv AMPUP_HOME {home}\n"),
                Self::Elvish => format!("set-env AMPUP_HOME {home}\n"),
                Self::Xonsh => format!("$AMPUP_HOME = {home}\n"),
            };
        }
        text
    }

    /// `text` as one word that nothing is expanded in.
    fn quote(self, text: &str) -> String {
        match self {
            // History is expanded between quotes, too.
            Self::Csh => format!("'{}'", text.replace('\'', r"'\''").replace('!', r"\!")),
            Self::Elvish => format!("'{}'", text.replace('\'', "''")),
            Self::Xonsh => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        }
    }
}

/// A shell that `ampup env` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyShell {
    /// One that ampup sets up.
    Own(Shell),
    /// One that the user sets up.
    Foreign(Foreign),
}

impl AnyShell {
    /// The shell whose program is at this path, as `$SHELL` names it.
    pub fn of_program(path: &Utf8Path) -> Option<Self> {
        let name = path.file_stem()?;
        let is_it = |shell: &Foreign| shell.programs().contains(&name);
        Shell::of_program(path)
            .map(Self::Own)
            .or_else(|| Foreign::ALL.into_iter().find(is_it).map(Self::Foreign))
    }

    /// Its name on ampup's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own(shell) => shell.as_str(),
            Self::Foreign(shell) => shell.as_str(),
        }
    }

    /// The lines that put ampup's programs on its PATH.
    pub fn env_text(self, setting: &Setting) -> String {
        match self {
            Self::Own(shell) => setting.env_text(shell),
            Self::Foreign(shell) => shell.env_text(setting),
        }
    }
}

impl FromStr for AnyShell {
    type Err = UnknownShell;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_it = |shell: &Foreign| shell.programs().contains(&text);
        match Foreign::ALL.into_iter().find(is_it) {
            Some(shell) => Ok(Self::Foreign(shell)),
            None => text.parse().map(Self::Own),
        }
    }
}

/// With paths as Unix writes them.
#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn each_gets_lines_of_its_own_language() {
        let usual = Setting::new("/u/.ampup".into(), Some("/u".into())).expect("fit");
        let odd = Setting::new("/o'b!/$x".into(), None).expect("fit");
        let rows = [
            (
                "tcsh",
                "setenv PATH '/u/.ampup/bin':\"$PATH\"\n",
                "setenv PATH '/o'\\''b\\!/$x/bin':\"$PATH\"\nsetenv AMPUP_HOME '/o'\\''b\\!/$x'\n",
            ),
            (
                "elvish",
                "set paths = ['/u/.ampup/bin' $@paths]\n",
                "set paths = ['/o''b!/$x/bin' $@paths]\nset-env AMPUP_HOME '/o''b!/$x'\n",
            ),
            (
                "xonsh",
                "$PATH.insert(0, '/u/.ampup/bin')\n",
                "$PATH.insert(0, '/o\\'b!/$x/bin')\n$AMPUP_HOME = '/o\\'b!/$x'\n",
            ),
        ];
        every(rows, |(shell, text, odd_text)| {
            let named: AnyShell = shell.parse().expect("known");
            let program = format!("/usr/bin/{shell}");
            assert_eq!(
                AnyShell::of_program(program.as_str().into()),
                Some(named),
                "{shell}"
            );
            assert_eq!(named.env_text(&usual), text, "{shell}");
            assert_eq!(named.env_text(&odd), odd_text, "{shell}");
        });
        assert!("ion".parse::<AnyShell>().is_err());
    }
}
