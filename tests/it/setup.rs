//! Into the user's files and out again: HOME is as it was, to the byte.

use ampup::{
    layout::Layout,
    setup::{self, Action, removal},
    shell::{Setting, Shell, start_files::ShellUser},
};
use camino::Utf8PathBuf;

use crate::support::{
    table::every,
    world::{World, snapshot, write},
};

struct Home {
    world: World,
}

impl Home {
    fn new() -> Self {
        let world = World::new();
        fs_err::create_dir_all(world.join("user")).expect("made");
        Self { world }
    }

    fn user(&self) -> ShellUser {
        ShellUser {
            home: self.world.join("user"),
            zdotdir: None,
            config_home: None,
            shells: Shell::ALL.to_vec(),
        }
    }

    fn file(&self, name: &str) -> Utf8PathBuf {
        self.user().home.join(name)
    }

    fn setting(&self) -> Setting {
        Setting::new(self.layout().home(), Some(&self.user().home)).expect("fit")
    }

    fn layout(&self) -> Layout {
        Layout::new(self.world.join("ampup home"))
    }

    fn init(&self) -> Vec<setup::FileChange> {
        fs_err::create_dir_all(self.layout().home()).expect("made");
        let changes = setup::plan(&self.user(), &self.setting(), &self.layout());
        setup::apply(changes, &self.setting(), &self.layout()).expect("done")
    }

    /// Undoes it, and gives what is left to say.
    fn uninstall(&self) -> Vec<removal::Return> {
        let mut returns = removal::plan(&self.user(), &self.setting(), &self.layout()).expect("planned");
        removal::apply(&returns).expect("done");
        returns.retain(|one| matches!(one.action, removal::Undo::Stays(_)));
        returns
    }

    fn snapshot(&self) -> Vec<String> {
        snapshot(&self.user().home)
    }
}

#[test]
fn an_empty_home_is_empty_again() {
    let home = Home::new();
    let before = home.snapshot();
    home.init();
    assert!(home.file(".config/fish/conf.d/ampup.fish").is_file());
    let made = home.snapshot();
    assert!(
        home.init().iter().all(|change| change.action == Action::Nothing),
        "twice is once"
    );
    assert_eq!(home.snapshot(), made);
    assert_eq!(home.uninstall(), []);
    assert_eq!(home.snapshot(), before);
}

#[test]
fn files_of_every_kind_are_as_they_were() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    write(&home.file(".bashrc"), "# no line break at the end");
    write(&home.file(".bash_profile"), "a\r\nb\r\n");
    write(&home.file(".zshenv"), b"caf\xe9\n");
    write(&home.file(".profile"), "");
    write(&home.file(".config/fish/conf.d/other.fish"), "set x\n");
    fs_err::set_permissions(home.file(".bashrc"), std::fs::Permissions::from_mode(0o600)).expect("permitted");
    let before = home.snapshot();
    for _ in 0..2 {
        home.init();
        assert_ne!(home.snapshot(), before);
    }
    assert_eq!(home.uninstall(), []);
    assert_eq!(home.snapshot(), before);
}

#[test]
fn what_the_user_adds_later_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    write(&home.file(".bashrc"), "first");
    fs_err::set_permissions(home.file(".bashrc"), std::fs::Permissions::from_mode(0o600)).expect("permitted");
    home.init();
    for name in [".bashrc", ".profile"] {
        let mut text = fs_err::read_to_string(home.file(name)).expect("there");
        text.push_str("later\n");
        fs_err::write(home.file(name), text).expect("written");
    }
    write(&home.file(".config/fish/config.fish"), "set x\n");
    assert_eq!(home.uninstall(), []);
    assert_eq!(
        home.snapshot(),
        [
            ".bashrc 100600 first\\nlater\\n",
            ".config/ 40755",
            ".config/fish/ 40755",
            ".config/fish/config.fish 100644 set x\\n",
            ".profile 100644 later\\n",
        ]
    );
}

#[test]
fn links_and_read_only_files_are_left_to_the_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    write(&home.world.join("dotfiles/zshenv"), "mine\n");
    fs_err::os::unix::fs::symlink(home.world.join("dotfiles/zshenv"), home.file(".zshenv")).expect("linked");
    write(&home.file(".bashrc"), "mine\n");
    fs_err::set_permissions(home.file(".bashrc"), std::fs::Permissions::from_mode(0o444)).expect("permitted");
    write(&home.file(".config/powershell/profile.ps1"), b"\xff\xfem\0");
    write(&home.file(".config/fish/conf.d/ampup.fish"), "my own\n");
    let before = home.snapshot();
    let by_hand: Vec<String> = home
        .init()
        .into_iter()
        .filter(|change| matches!(change.action, Action::ByHand(_)))
        .map(|change| {
            assert!(!change.line.is_empty());
            change.file.path.file_name().expect("a name").to_owned()
        })
        .collect();
    assert_eq!(by_hand, [".bashrc", ".zshenv", "ampup.fish", "profile.ps1"]);
    assert_eq!(home.uninstall().len(), 1, "the user's own ampup.fish is named");
    assert_eq!(home.snapshot(), before);
}

#[test]
fn a_home_that_moved_has_its_lines_replaced() {
    let home = Home::new();
    write(&home.file(".bashrc"), "mine");
    let before = home.snapshot();
    home.init();
    let elsewhere = Layout::new(home.world.join("elsewhere"));
    fs_err::rename(home.layout().home(), elsewhere.home()).expect("moved");
    let setting = Setting::new(elsewhere.home(), None).expect("fit");
    let changes = setup::plan(&home.user(), &setting, &elsewhere);
    assert!(
        changes
            .iter()
            .all(|change| matches!(change.action, Action::Rewrite(_)))
    );
    // What a killed one left goes with the next.
    write(&home.file("..bashrc.ampup-new"), "half of it");
    setup::apply(changes, &setting, &elsewhere).expect("done");
    let returns = removal::plan(&home.user(), &setting, &elsewhere).expect("planned");
    removal::apply(&returns).expect("done");
    assert_eq!(home.snapshot(), before);
}

/// Two homes of one user, or one home of each of two machines that share dotfiles: each has its own line, and takes its own.
#[test]
fn another_homes_lines_stay() {
    let home = Home::new();
    write(&home.file(".bashrc"), "mine");
    let before = home.snapshot();
    let other = Layout::new(home.world.join("other home"));
    fs_err::create_dir_all(other.home()).expect("made");
    let setting = Setting::new(other.home(), None).expect("fit");
    let come = || {
        let changes = setup::plan(&home.user(), &setting, &other);
        setup::apply(changes, &setting, &other).expect("done")
    };
    let go = || {
        let returns = removal::plan(&home.user(), &setting, &other).expect("planned");
        removal::apply(&returns).expect("done");
    };
    home.init();
    let alone = home.snapshot();
    for change in come() {
        assert!(matches!(change.action, Action::Append(_)), "{change:#?}");
    }
    for path in [".bashrc", ".profile", ".config/fish/conf.d/ampup.fish"] {
        let text = fs_err::read_to_string(home.file(path)).expect("there");
        assert!(
            text.contains("ampup home/env") && text.contains("other home/env"),
            "{text}"
        );
    }
    let changes = home.init();
    assert!(changes.iter().all(|change| change.action == Action::Nothing));
    go();
    assert_eq!(home.snapshot(), alone);
    come();
    home.uninstall();
    let changes = come();
    assert!(changes.iter().all(|change| change.action == Action::Nothing));
    go();
    // What the first one made, and left because the second one was in it, is empty and stays.
    let left = home.snapshot();
    assert!(left.iter().all(|line| !line.contains("ampup")), "{left:?}");
    assert!(before.iter().all(|line| left.contains(line)), "{left:?}");
}

/// An editor, or a script that puts dotfiles together, may have doubled the block.
#[test]
fn a_doubled_block_goes_whole() {
    let home = Home::new();
    write(&home.file(".bashrc"), "mine\n");
    let before = home.snapshot();
    home.init();
    let files = [".bashrc", ".profile", ".config/fish/conf.d/ampup.fish"];
    let double = || {
        for name in files {
            let text = fs_err::read_to_string(home.file(name)).expect("there");
            let block = text.strip_prefix("mine\n").unwrap_or(&text);
            fs_err::write(home.file(name), format!("{text}{block}")).expect("written");
        }
    };
    let once = home.snapshot();
    double();
    home.init();
    assert_eq!(home.snapshot(), once);
    double();
    assert_eq!(home.uninstall(), []);
    assert_eq!(home.snapshot(), before);
}

/// Dotfiles that machines share: what either of them wrote serves both, and either takes it out.
#[test]
fn what_another_machines_ampup_wrote_is_recognised() {
    let setting =
        |user: &str| Setting::new(&Utf8PathBuf::from(user).join(".ampup"), Some(user.into())).expect("fit");
    let machine = |world: &World| {
        let home = world.join("user");
        fs_err::create_dir_all(home.join(".ampup")).expect("made");
        let user = ShellUser {
            home: home.clone(),
            zdotdir: None,
            config_home: None,
            shells: Shell::ALL.to_vec(),
        };
        (user, setting(home.as_str()), Layout::new(home.join(".ampup")))
    };
    let (one, other) = (World::new(), World::new());
    let (user, first, layout) = machine(&one);
    let (other_user, second, other_layout) = machine(&other);
    setup::apply(setup::plan(&user, &first, &layout), &first, &layout).expect("done");
    every(
        [".profile", ".bashrc", ".config/fish/conf.d/ampup.fish"],
        |name| {
            let text = fs_err::read_to_string(user.home.join(name)).expect("there");
            assert!(text.contains("\"$HOME/.ampup/env"), "{name}: {text}");
            write(&other_user.home.join(name), &text);
        },
    );
    // Both names of the same file are ampup's: an older one wrote the path of its own machine.
    let fish = other_user.home.join(".config/fish/conf.d/ampup.fish");
    let bashrc = other_user.home.join(".bashrc");
    let absolute = format!(
        "if [ -f '{0}/.ampup/env' ]; then . '{0}/.ampup/env'; fi",
        other_user.home
    );
    let text = fs_err::read_to_string(&bashrc).expect("there");
    write(
        &bashrc,
        format!("mine\n{}", text.replace(&first.line(Shell::Bash), &absolute)),
    );
    let returns = removal::plan(&other_user, &second, &other_layout).expect("planned");
    removal::apply(&returns).expect("done");
    assert!(!fish.exists());
    assert_eq!(fs_err::read_to_string(&bashrc).expect("there"), "mine\n");
    let planned = setup::plan(&user, &first, &layout);
    assert!(
        planned.iter().all(|change| change.action == Action::Nothing),
        "{planned:#?}"
    );
}

/// Killed between the record and the deed, or without a record: what is ours is found by its line.
#[test]
fn a_lost_record_loses_no_users_line() {
    let home = Home::new();
    write(&home.file(".bashrc"), "mine\n");
    home.init();
    fs_err::remove_file(home.layout().shells()).expect("removed");
    assert_eq!(home.uninstall(), []);
    let left = home.snapshot();
    assert!(left.contains(&".bashrc 100644 mine\\n".to_owned()), "{left:?}");
    assert!(left.iter().all(|line| !line.contains("ampup")), "{left:?}");
}

#[test]
fn a_record_of_a_newer_ampup_stops_everything() {
    let home = Home::new();
    home.init();
    let after = home.snapshot();
    write(
        &home.layout().shells(),
        "{\"schema\":9,\"files\":[],\"directories\":[]}",
    );
    assert!(removal::plan(&home.user(), &home.setting(), &home.layout()).is_err());
    assert_eq!(home.snapshot(), after);
}

#[test]
fn a_program_that_comes_first_is_named() {
    let home = Home::new();
    let (other, bin) = (home.world.join("other"), home.layout().bin());
    write(&other.join("postgres"), "");
    let names = ["ampup", "postgres"];
    let found = |path: &[Utf8PathBuf]| setup::shadows(path, &bin, &names);
    assert_eq!(found(&[bin.clone(), other.clone()]), []);
    let before = found(&[other.clone(), bin.clone()]);
    assert_eq!(before.len(), 1);
    assert!(before[0].is_lasting && before[0].path == other.join("postgres"));
    assert!(!found(&[other])[0].is_lasting);
}
