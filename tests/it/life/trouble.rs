//! Bad input, a full disk, a kill: a clear message, a code, and nothing left behind but what it names.

use super::*;

#[test]
fn what_is_wrong_ends_it_before_anything_is_made() {
    let person = Person::new(Who::Ordinary);
    person.write("taken/bin/theirs", "");
    let before = snapshot(&person.directory());
    let taken = person.directory().join("taken");
    let zeros = "0".repeat(64);
    let rows = [
        (&["--verify-self", zeros.as_str()][..], 4, "instead of 0000"),
        (&["--no-install-latest"], 2, "only what `--component` names"),
        (&["--home", taken.as_str()], 2, "is not ampup's"),
        (&["--home", "/a:b"], 2, "cannot be put on PATH"),
        (&["--home", "/proc/nothing"], 1, "error:"),
        (&["--no-such-flag"], 2, "error:"),
        (&["--component", "../x"], 2, "error:"),
    ];
    every(rows, |(arguments, code, says)| {
        let run = person.built(&[&["init"], arguments].concat());
        assert!(
            run.code == code || (run.code != 0 && code == 1),
            "{arguments:?} {run:#?}"
        );
        assert!(run.stderr.contains(says), "{arguments:?} {run:#?}");
        assert_eq!(snapshot(&person.directory()), before, "{arguments:?}");
    });
}

/// Somebody who has ampup, and where its program lies.
fn installed() -> (Person, Utf8PathBuf) {
    let person = Person::new(Who::Ordinary);
    person.built(&["init"]).exits(0);
    let program = format!("components/ampup/{NOW}/bin/ampup");
    let program = person.home.path().join(program);
    (person, program)
}

#[test]
fn a_damaged_ampup_is_repaired_and_old_downloads_are_swept() {
    let (person, program) = installed();
    let good = fs::read(&program).expect("read");
    fs::write(&program, "#!/bin/sh\nexit 3\n").expect("written");
    let left = person.write(".ampup/.bootstrap-3999999/ampup-x", "half a download");
    person
        .built(&["init"])
        .exits(0)
        .says(&format!("repaired ampup v{NOW}"));
    assert_eq!(fs::read(&program).expect("read"), good);
    person.ampup(&["verify"]).exits(0);
    // What only `verify` sees is repaired, too.
    let list = person
        .home
        .path()
        .join(format!("components/ampup/{NOW}/.files.json"));
    fs::write(&list, "x").expect("written");
    person
        .ampup(&["verify", "--repair"])
        .exits(3)
        .says("run the install script again");
    person.built(&["init"]).exits(0);
    person.ampup(&["verify"]).exits(0);
    assert!(!left.exists(), "its script is not running any more");
}

/// An ampup that runs from the damaged one goes on with what it has in memory.
#[test]
fn a_damaged_ampup_is_repaired_also_while_one_runs() {
    let (mut person, program) = installed();
    person.home.offer("tool", "1.0.0");
    let lock = person.home.path().join("locks/tool-1.0.0");
    let taken = ampup::fs::lock::Lock::try_acquire(&lock)
        .expect("opened")
        .expect("free");
    fs::set_permissions(&lock, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("set");
    let mut waiting = person.command(&program, &["install", "tool"]);
    waiting.env("AMPUP_REGISTRY", person.home.registry());
    waiting.stderr(std::process::Stdio::piped());
    let mut waiting = waiting.spawn().expect("started");
    let mut talk = std::io::BufReader::new(waiting.stderr.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut talk, &mut line).expect("read");
    assert!(line.contains("waiting"), "{line}");
    let list = format!("components/ampup/{NOW}/.files.json");
    fs::write(person.home.path().join(list), "x").expect("written");
    person
        .built(&["init"])
        .exits(0)
        .says(&format!("repaired ampup v{NOW}"));
    taken.release();
    assert_eq!(waiting.wait().expect("ended").code(), Some(0), "{line}");
    person.ampup(&["verify"]).exits(0);
}

/// `bin` leads through `active`: without it no shell finds a program.
#[test]
fn links_that_lead_nowhere_are_mended_and_the_program_is_named_by_its_path() {
    let (person, program) = installed();
    let home = person.home.path();
    let (active, bin) = (home.join("active"), home.join("bin"));
    let by_path = |words: &[&str]| finish(person.command(&program, words));
    let bend = |link: &Utf8Path, target: Option<&str>| {
        fs::remove_file(link).expect("removed");
        if let Some(target) = target {
            std::os::unix::fs::symlink(target, link).expect("linked");
        }
    };
    let another = crate::support::home::program();
    let ways = [
        (another.to_owned(), &["init"][..]),
        (program.clone(), &["init"]),
        (program.clone(), &["verify", "--repair"]),
    ];
    let rows = [
        (
            &active,
            Some("generations/99"),
            "leads to `generations/99`, which does not exist",
        ),
        (
            &active,
            Some("/nowhere"),
            "leads to `/nowhere`, which is no set of active versions",
        ),
        (&active, None, "is missing"),
        (&bin, Some("/nowhere"), "leads to `/nowhere`, not to `active/bin`"),
    ];
    for (way, words) in ways {
        let mend = || finish(person.command(&way, words)).exits(0);
        every(rows, |(link, target, fault)| {
            bend(link, target);
            assert!(!bin.join("ampup").exists(), "{link}");
            by_path(&["verify"])
                .exits(4)
                .says("bin/ampup verify --repair` repairs the damage");
            by_path(&["init", "--dry-run"])
                .exits(0)
                .prints_with(&format!("repair `{}`: it {fault}", person.home.shown(link)));
            assert_eq!(link.read_link_utf8().ok().as_deref(), target.map(Utf8Path::new));
            if link == &active {
                // Nothing is made active beside what was.
                by_path(&["install", "postgres"]).exits(4).says(fault);
            }
            let mended = mend();
            let said = format!("{}{}", mended.stdout, mended.stderr);
            assert!(
                said.contains(fault) && said.contains("; it is repaired\n"),
                "{way} {words:?}: {said}"
            );
            person.ampup(&["verify"]).exits(0);
        });
        bend(&active, Some("generations/99"));
        by_path(&["list"]).exits(4).says(&format!(
            "hint: `~/.ampup/components/ampup/{NOW}/bin/ampup verify --repair` repairs"
        ));
        mend();
        // Nobody knows what was active: ampup itself is again.
        fs::remove_dir_all(home.join("generations")).expect("removed");
        let mended = mend();
        if words == ["init"] {
            person
                .ampup(&["list", "--all"])
                .exits(0)
                .prints(&format!("ampup v{NOW} (active)\n"));
        } else {
            mended.says(&format!(
                "nothing is active any more: `~/.ampup/components/ampup/{NOW}/bin/ampup init` makes"
            ));
            assert!(active.symlink_metadata().is_err());
            by_path(&["init"]).exits(0);
        }
        person.ampup(&["verify"]).exits(0);
    }
}

fn may_mount() -> bool {
    let allowed = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .output();
    allowed.is_ok_and(|output| output.status.success())
}

/// The download fits, and what becomes of it does not. Only root can make a small disk.
#[test]
fn a_disk_that_fills_up_ends_with_7_and_no_download_is_left() {
    if !may_mount() {
        return;
    }
    let person = Person::new(Who::Root);
    let files = Publisher::new(&person).publish_now();
    let program = fs::metadata(crate::support::home::program())
        .expect("there")
        .len();
    let place = person.home.directory("place");
    for kilobytes in [program / 1024 * 5 / 4, program / 1024 * 19 / 10] {
        let line = format!(
            "mount -t tmpfs -o size={kilobytes}k none '{place}' && \
             sh -s -- --yes --home '{place}/amp' --mirror 'file://{files}' <'{files}/install.sh'; \
             code=$?; find '{place}'; exit $code"
        );
        let mut command = std::process::Command::new("unshare");
        command
            .args(["-m", "sh", "-c", &line])
            .env("HOME", person.directory());
        let run = finish(command).exits(7).says("error: ");
        assert!(!run.stdout.contains("bootstrap"), "{run:#?}");
        assert_eq!(snapshot(&person.directory()), [""; 0]);
    }
}

/// The same for everybody: files of this user may not be so large.
#[test]
fn a_limit_that_is_met_leaves_nothing_that_uninstall_does_not_know() {
    for who in Who::all() {
        let person = Person::new(who);
        person.write(".bashrc", "mine");
        let before = snapshot(&person.directory());
        finish(limited(&person, "--home \"$HOME/a/b\""))
            .exits(7)
            .says("error: ");
        let home = person.directory().join("a/b");
        person
            .built(&["--home", home.as_str(), "self", "uninstall", "--yes"])
            .exits(0);
        assert_eq!(snapshot(&person.directory()), before);
    }
}

/// `init` by somebody whose files may not be as large as ampup.
fn limited(person: &Person, arguments: &str) -> std::process::Command {
    let program = crate::support::home::program();
    let line = format!("trap '' XFSZ; ulimit -f 20000; exec {program} init {arguments}");
    person.command("/bin/sh".into(), &["-c", &line])
}

/// Before its first `init` a home may have settings, and a start file ampup's line. A failure changes none of them, and
/// the next `init` completes what was begun.
#[test]
fn a_first_init_that_failed_is_completed_by_the_next() {
    for who in Who::all() {
        let person = Person::new(who);
        person.write(".ampup/config.toml", "jobs = 2\n");
        let line = format!("if [ -f '{0}/env' ]; then . '{0}/env'; fi", person.home.path());
        let block = format!("# >>> ampup >>>\n{line}\n# <<< ampup <<<\n");
        person.write(".bashrc", block);
        let outside = |person: &Person| {
            let mut lines = snapshot(&person.directory());
            lines.retain(|line| !line.starts_with(".ampup/") || line.contains("config.toml"));
            lines
        };
        let before = outside(&person);
        finish(limited(&person, "")).exits(7).says("error: ");
        assert_eq!(outside(&person), before);
        // What fails after ampup was installed leaves it installed: here a shell's file has no place.
        person.write(".ampup/env/mine", "mine");
        person.built(&["init"]).exits(1).says("cannot replace");
        fs::remove_dir_all(person.home.path().join("env")).expect("removed");
        person.built(&["init"]).exits(0);
        person.ampup(&["--version"]).exits(0);
        person.ampup(&["verify"]).exits(0);
    }
}

/// Room for so few files that not even a lock can be made. Only root can make a small disk.
#[test]
fn a_disk_without_room_for_a_lock_is_told() {
    if !may_mount() {
        return;
    }
    let person = Person::new(Who::Root);
    let place = person.home.directory("place");
    let program = crate::support::home::program();
    for files in 2..16 {
        let line = format!(
            "mount -t tmpfs -o nr_inodes={files} none '{place}' && '{program}' --yes --home '{place}/amp' init; \
             exit $?"
        );
        let mut command = std::process::Command::new("unshare");
        command
            .args(["-m", "sh", "-c", &line])
            .env("HOME", person.directory());
        finish(command).exits(7).says("error: ");
        assert_eq!(snapshot(&person.directory()), [""; 0], "{files}");
    }
}

#[test]
fn what_was_named_and_cannot_be_had_leaves_ampup_in_place() {
    let person = Person::new(Who::Ordinary);
    let run = person
        .built(&["--offline", "init", "--component", "postgres@18.4"])
        .exits(5);
    assert!(
        run.stderr.contains("installed ampup") && run.stderr.contains("error: could not install postgres"),
        "{run:#?}"
    );
    person.ampup(&["--version"]).exits(0);
    let run = person.ampup(&["init", "--component", "nothing"]).exits(3);
    assert!(run.stderr.contains("there is no component `nothing`"), "{run:#?}");
}

/// Starts the program under test, and kills it after a while.
fn killed(person: &Person, arguments: &[&str], milliseconds: u64) {
    let mut command = person.command(crate::support::home::program(), arguments);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("started");
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().expect("reaped");
}

/// However early a repair is killed, there is a program to call.
#[test]
fn a_repair_that_is_killed_leaves_an_ampup() {
    let (person, program) = installed();
    every([20, 60, 100, 140, 180, 220, 260, 300], |milliseconds| {
        fs::write(&program, "#!/bin/sh\nexit 3\n").expect("written");
        killed(&person, &["init"], milliseconds);
        let link = person.home.path().join("bin/ampup");
        assert!(link.is_file(), "{milliseconds} ms");
        person.built(&["init"]).exits(0);
        person.ampup(&["--version"]).exits(0);
        person.ampup(&["verify"]).exits(0);
    });
}

/// Killed at any moment, either of them can be run again, and then leaves nothing.
#[test]
fn init_and_uninstall_that_were_killed_are_finished_by_the_next() {
    let person = Person::new(Who::Ordinary);
    for (name, content) in FILES {
        person.write(name, content);
    }
    let before = snapshot(&person.directory());
    let kill = |arguments: &[&str], milliseconds: u64| killed(&person, arguments, milliseconds);
    every([5, 20, 50, 90, 140, 200, 280], |milliseconds| {
        kill(&["init"], milliseconds);
        person.built(&["init"]).exits(0);
        person.ampup(&["--version"]).exits(0);
        kill(&["self", "uninstall", "--yes"], milliseconds / 4);
        let run = person.built(&["self", "uninstall", "--yes"]);
        assert!([0, 3].contains(&run.code), "{run:#?}");
        assert_eq!(snapshot(&person.directory()), before, "{milliseconds} ms");
    });
}
