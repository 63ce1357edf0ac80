//! The steps that `ampup init` is about to take: `--dry-run` and the prompt show the same.

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::{Args, shells};
use crate::{
    commands::{Error, Session, env, verify},
    self_install::{self, SelfInstall, Whence},
    setup::{self, Action, FileChange},
    shell::{Setting, Shell},
    store::{
        directories, inventory,
        links::{self, Fault},
        shared_home,
    },
};

/// All that is decided before the first change.
pub(super) struct Intent {
    /// The running program.
    pub program: Utf8PathBuf,
    is_by_script: bool,
    /// The work needed to have it in the store.
    pub self_install: SelfInstall,
    /// The content of the files that shells read.
    pub setting: Setting,
    /// The changes to the user's own files; `None` where they are left alone.
    pub changes: Option<Vec<FileChange>>,
    /// The same as if they were not left alone.
    possible: Vec<FileChange>,
    /// The changes that nobody has agreed to.
    pub left: Vec<FileChange>,
    /// The links of the home that lead nowhere.
    mends: Vec<Fault>,
    /// The directories above the home that were made for it, parents first.
    pub parents: Vec<Utf8PathBuf>,
    home: Utf8PathBuf,
    /// The directory that the home becomes a link to.
    lies_in: Option<Utf8PathBuf>,
}

impl Intent {
    /// Looks, and changes nothing.
    pub(super) fn form(args: &Args, program: Utf8PathBuf, session: &Session) -> Result<Self, Error> {
        let layout = &session.layout;
        let failed = |source| Error::Store {
            action: "look at",
            source,
        };
        let setting = env::setting(session)?;
        session.ensure_home()?;
        directories::ensure_all_ours(layout).map_err(failed)?;
        let host = session.host()?;
        let target = host.target.ok_or_else(|| Error::Refused {
            message: format!("no component is built for {}", host.description),
            hint: "ampup knows Linux and macOS on x86_64 and aarch64, and Windows on x86_64".to_owned(),
        })?;
        let mends = links::mendable(layout);
        let inventory = match mends.is_empty() {
            true => session.inventory()?,
            false => links::to_be_active(layout)
                .and_then(|active| inventory::read_as(active, layout))
                .map_err(failed)?,
        };
        let self_install = self_install::plan(&program, layout, &inventory, target, args.allow_downgrade)
            .map_err(|source| Error::File {
                path: program.clone(),
                source,
            })?;
        let user = shells(session).filter(|_| !cfg!(windows));
        let possible = user.map(|user| setup::plan(&user, &setting, layout));
        let changes = possible.clone().filter(|_| !args.no_modify_path);
        let mut parents: Vec<Utf8PathBuf> = layout
            .home()
            .ancestors()
            .enumerate()
            .skip(1)
            .take_while(|(depth, path)| *depth < args.made || path.symlink_metadata().is_err())
            .map(|(_, path)| path.to_owned())
            .collect();
        parents.reverse();
        let is_due = shared_home::is_due(layout, session.env.user_home()).map_err(failed)?;
        Ok(Self {
            is_by_script: self_install::whence(&program, layout) == Whence::Script,
            program,
            self_install,
            setting,
            possible: possible.unwrap_or_default(),
            changes,
            left: Vec::new(),
            mends,
            parents,
            home: layout.home().to_owned(),
            lies_in: is_due.then(|| shared_home::directory_of(layout.home())),
        })
    }

    /// Mends the links that lead nowhere, and says which.
    pub(super) fn mend(&self, session: &Session) -> Result<Vec<String>, Error> {
        let mended = match self.mends.is_empty() {
            true => Vec::new(),
            false => verify::mend_pointers(session)?,
        };
        Ok(mended
            .iter()
            .map(|fault| format!("{fault}; it is repaired"))
            .collect())
    }

    /// Says that the home becomes a link, where others cannot enter root's own directory.
    fn link(&self) -> Option<String> {
        let place = self.lies_in.as_ref()?;
        Some(format!(
            "`{}` becomes a link to `{place}`, which the user that runs PostgreSQL for root can enter",
            self.home
        ))
    }

    /// Returns true if every new shell of this kind reads a line of ampup's, logged in or not; what is in `by_hand` has none.
    pub(super) fn is_found_by(&self, shell: Shell, by_hand: &[Utf8PathBuf]) -> bool {
        let reads_profile = matches!(shell, Shell::Sh | Shell::Bash);
        let reads = |change: &&FileChange| {
            change.file.shell == shell || reads_profile && change.file.shell == Shell::Sh
        };
        let has_line = |change: &FileChange| match change.action {
            Action::Nothing => true,
            _ => self.changes.is_some() && !by_hand.contains(&change.file.path),
        };
        let mut read = self.possible.iter().filter(reads).peekable();
        read.peek().is_some() && read.all(has_line)
    }

    /// Leaves the user's own files as they are, where there is something to change.
    pub(super) fn leave_shells(&mut self) {
        let is_change = |change: &FileChange| {
            matches!(
                change.action,
                Action::Make(..) | Action::Append(_) | Action::Rewrite(_)
            )
        };
        let changes = self.changes.iter().flatten();
        self.left = changes.filter(|change| is_change(change)).cloned().collect();
        if !self.left.is_empty() {
            self.changes = None;
        }
    }

    /// The same in a line for each place, and what is downloaded afterwards. Empty if there is nothing to agree to.
    pub(super) fn summary(&self, downloads: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        if let SelfInstall::Installation { .. } = &self.self_install {
            lines.push(format!(
                "This puts ampup v{} into `{}`.",
                self_install::version(),
                self.home
            ));
            lines.extend(self.link());
        }
        let mut touched = Vec::new();
        for change in self.changes.iter().flatten() {
            let what = match &change.action {
                Action::Nothing => continue,
                Action::Make(..) => "create",
                Action::Append(_) => "add a line to",
                Action::Rewrite(_) => "replace ampup's line in",
                Action::ByHand(_) | Action::Failed(..) => continue,
            };
            touched.push(format!("  {what} `{}`", change.file.path));
        }
        if (!lines.is_empty() || !touched.is_empty()) && !downloads.is_empty() {
            lines.push("It downloads and installs too:".to_owned());
            lines.extend(downloads.iter().map(|one| format!("  {one}")));
        }
        if !touched.is_empty() {
            lines.push("So that the shells of this machine find it:".to_owned());
            lines.append(&mut touched);
            let nothing = match self.self_install {
                SelfInstall::Installation { .. } => "installs nothing",
                SelfInstall::Nothing | SelfInstall::Newer(_) => "changes nothing",
            };
            let leaving = match self.is_by_script {
                true => ": `… | sh -s -- --no-modify-path`",
                false => ", add `--no-modify-path`",
            };
            lines.push(format!(
                "Answering no {nothing}; to leave these files alone{leaving}."
            ));
        }
        lines
    }

    /// Says what became of it when the user said no.
    pub(super) fn declined(&self) -> Vec<String> {
        let line = match self.self_install {
            SelfInstall::Installation { .. } => "ampup was not installed, and nothing was changed",
            SelfInstall::Nothing | SelfInstall::Newer(_) => "nothing was changed",
        };
        vec![line.to_owned()]
    }

    /// Describes the steps, for a person. Empty if nothing is to be done.
    pub(super) fn lines(&self) -> Vec<String> {
        let repaired = |fault: &Fault| format!("repair `{}`: it {}", fault.path, fault.what);
        let mut lines: Vec<_> = self.mends.iter().map(repaired).collect();
        let version = self_install::version();
        if let SelfInstall::Installation { .. } = &self.self_install {
            lines.push(format!("put ampup v{version} into `{}`", self.home));
            lines.extend(self.link());
        }
        for path in self.own_files() {
            lines.push(format!("write `{path}`"));
        }
        for change in self.changes.iter().flatten() {
            let path = &change.file.path;
            let (what, text) = match &change.action {
                Action::Nothing => continue,
                Action::Make(content, _) => (format!("create `{path}`:"), text(content)),
                Action::Append(added) => (format!("append to `{path}`:"), text(added)),
                Action::Rewrite(_) => (format!("replace ampup's line in `{path}`:"), change.line.clone()),
                Action::ByHand(why) | Action::Failed(_, why) => {
                    (format!("leave `{path}` to you ({why}):"), change.line.clone())
                }
            };
            lines.push(what);
            let text = text.lines().filter(|line| !line.is_empty());
            lines.extend(text.map(|line| format!("    {line}")));
        }
        lines
    }

    /// Files of the home, beside the store.
    fn own_files(&self) -> Vec<Utf8PathBuf> {
        let mut names: Vec<&str> = Shell::ALL.iter().map(|shell| shell.env_file()).collect();
        names.dedup();
        names.extend(["shells.json", "share/man/man1/ampup*.1"]);
        names.into_iter().map(|name| self.home.join(name)).collect()
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let row = |change: &FileChange| {
            let (action, why) = match &change.action {
                Action::Nothing => ("none", None),
                Action::Make(..) => ("make", None),
                Action::Append(_) => ("append", None),
                Action::Rewrite(_) => ("rewrite", None),
                Action::ByHand(why) => ("by-hand", Some(why)),
                Action::Failed(_, why) => ("failed", Some(why)),
            };
            json!({"path": change.file.path, "action": action, "line": change.line, "why": why})
        };
        self.changes.iter().flatten().map(row).collect()
    }
}

fn text(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}
