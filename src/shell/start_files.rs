//! The files that a user's shells read when they start, and the form in which ampup is in each.

use camino::{Utf8Path, Utf8PathBuf};

use super::Shell;

/// The form in which ampup is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// One marked block in a file of the user.
    Block,
    /// The file is ampup's alone.
    Whole,
}

/// A file that a shell reads when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFile {
    /// Which shell reads it.
    pub shell: Shell,
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The form in which ampup is put there.
    pub place: Placement,
}

/// The facts that decide which files a user's shells read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellUser {
    /// Their home directory.
    pub home: Utf8PathBuf,
    /// `ZDOTDIR`, if it is set.
    pub zdotdir: Option<Utf8PathBuf>,
    /// `XDG_CONFIG_HOME`, if it is set to an absolute path.
    pub config_home: Option<Utf8PathBuf>,
    /// Which shells are on this machine.
    pub shells: Vec<Shell>,
}

impl ShellUser {
    /// Every file that a new shell of each kind reads, so that it finds ampup: interactive or not, login or not, as
    /// far as the shell reads one at all.
    pub fn start_files(&self, is_there: impl Fn(&Utf8Path) -> bool) -> Vec<StartFile> {
        let mut files = Vec::new();
        let mut put = |shell, path: Utf8PathBuf, place| files.push(StartFile { shell, path, place });
        let config = || {
            self.config_home
                .clone()
                .unwrap_or_else(|| self.home.join(".config"))
        };
        // Login shells of the POSIX kind, display managers, and bash where it has no file of its own.
        put(Shell::Sh, self.home.join(".profile"), Placement::Block);
        for shell in &self.shells {
            match shell {
                Shell::Sh => {}
                Shell::Bash => {
                    put(Shell::Bash, self.home.join(".bashrc"), Placement::Block);
                    // A login bash reads the first of these, and then not `.profile`.
                    let own = [".bash_profile", ".bash_login"].map(|name| self.home.join(name));
                    if let Some(path) = own.into_iter().find(|path| is_there(path)) {
                        put(Shell::Bash, path, Placement::Block);
                    }
                }
                Shell::Zsh => {
                    for path in self.zshenv(&is_there) {
                        put(Shell::Zsh, path, Placement::Block);
                    }
                }
                Shell::Fish => put(
                    Shell::Fish,
                    config().join("fish/conf.d/ampup.fish"),
                    Placement::Whole,
                ),
                Shell::Nushell => {
                    let config = match &self.config_home {
                        None if cfg!(target_os = "macos") => self.home.join("Library/Application Support"),
                        _ => config(),
                    };
                    put(
                        Shell::Nushell,
                        config.join("nushell/autoload/ampup.nu"),
                        Placement::Whole,
                    );
                }
                Shell::PowerShell if cfg!(windows) => {} // the registry's PATH serves it
                Shell::PowerShell => {
                    put(
                        Shell::PowerShell,
                        config().join("powershell/profile.ps1"),
                        Placement::Block,
                    );
                }
            }
        }
        files
    }

    /// zsh reads one `.zshenv`: that of ZDOTDIR, if it is set when zsh starts. Often it is `~/.zshenv` that sets it; then
    /// this one is read, and the other never.
    fn zshenv(&self, is_there: &impl Fn(&Utf8Path) -> bool) -> Vec<Utf8PathBuf> {
        let usual = self.home.join(".zshenv");
        let Some(own) = self.zdotdir.as_ref().map(|directory| directory.join(".zshenv")) else {
            return vec![usual];
        };
        match (is_there(&usual), is_there(&own)) {
            _ if own == usual => vec![usual],
            (true, true) => vec![usual, own],
            (true, false) => vec![usual],
            (false, _) => vec![own],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(shells: &[Shell], zdotdir: Option<&str>) -> ShellUser {
        ShellUser {
            home: "/u".into(),
            zdotdir: zdotdir.map(Into::into),
            config_home: None,
            shells: shells.to_vec(),
        }
    }

    fn paths(user: &ShellUser, there: &[&str]) -> Vec<String> {
        let files = user.start_files(|path| there.iter().any(|one| path == *one));
        let text = |file: StartFile| file.path.as_str().replace('\\', "/");
        files.into_iter().map(text).collect()
    }

    #[test]
    fn a_login_bash_with_a_file_of_its_own_does_not_read_profile() {
        let bash = user(&[Shell::Bash], None);
        assert_eq!(paths(&bash, &[]), ["/u/.profile", "/u/.bashrc"]);
        assert_eq!(
            paths(&bash, &["/u/.bash_profile", "/u/.bash_login"]),
            ["/u/.profile", "/u/.bashrc", "/u/.bash_profile"]
        );
        assert_eq!(
            paths(&bash, &["/u/.bash_login"]),
            ["/u/.profile", "/u/.bashrc", "/u/.bash_login"]
        );
    }

    #[test]
    fn the_zshenv_that_sets_zdotdir_is_the_one_that_is_read() {
        assert_eq!(
            paths(&user(&[Shell::Zsh], None), &[]),
            ["/u/.profile", "/u/.zshenv"]
        );
        let moved = user(&[Shell::Zsh], Some("/u/z"));
        assert_eq!(paths(&moved, &[]), ["/u/.profile", "/u/z/.zshenv"]);
        assert_eq!(paths(&moved, &["/u/.zshenv"]), ["/u/.profile", "/u/.zshenv"]);
        assert_eq!(
            paths(&moved, &["/u/.zshenv", "/u/z/.zshenv"]),
            ["/u/.profile", "/u/.zshenv", "/u/z/.zshenv"]
        );
    }

    #[test]
    fn a_shell_that_is_not_here_gets_no_file() {
        assert_eq!(paths(&user(&[], None), &[]), ["/u/.profile"]);
        let fish = user(&[Shell::Fish], None);
        assert_eq!(
            paths(&fish, &[]),
            ["/u/.profile", "/u/.config/fish/conf.d/ampup.fish"]
        );
    }
}
