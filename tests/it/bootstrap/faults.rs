//! Everything that can go wrong before ampup runs: a clear message, a code, and nothing left behind.

use std::time::Duration;

use super::*;

#[test]
fn a_file_that_is_not_the_one_expected_is_never_run() {
    let machine = Machine::new();
    let length = STAND_IN.len();
    let evil = format!("{:<length$}", "#!/bin/sh\necho evil\n");
    machine.release.replace_programs(&evil);
    machine.fails_in_every_shell(&[], 4, "instead of");
    machine
        .release
        .replace_programs("#!/bin/sh\necho another length\n");
    machine.fails_in_every_shell(&[], 4, "bytes instead of");
}

#[test]
fn every_tool_that_can_tell_a_sha256_is_used() {
    let machine = Machine::new();
    for tool in ["shasum", "openssl"] {
        let Some(program) = programs::find(tool) else {
            continue;
        };
        // shasum is a Perl script and wants its interpreter.
        machine.without("sha256sum");
        machine.fake(tool, &format!("PATH=/usr/bin:/bin exec {program} \"$@\""));
        machine.release.replace_programs(STAND_IN);
        every([&["dash"][..], &["bash"], &["zsh"]], |shell| {
            let Some(run) = machine.run(shell, &[]) else {
                return;
            };
            run.assert_done(shell);
            assert!(!run.stdout.contains("--verify-self"), "{}", run.stdout);
        });
        machine
            .release
            .replace_programs(STAND_IN.replace("stdin", "STDIN"));
        every([&["dash"][..], &["bash"], &["zsh"]], |shell| {
            if let Some(run) = machine.run(shell, &[]) {
                run.assert_failed(4, "the sha256 of", shell);
            }
        });
        machine.without(tool);
    }
}

/// Then ampup must prove itself, before it does anything else.
#[test]
fn without_any_such_tool_ampup_is_told_what_it_must_be() {
    let machine = Machine::new();
    machine.without("sha256sum");
    every([&["dash"][..], &["bash"], &["zsh"]], |shell| {
        let Some(run) = machine.run(shell, &[]) else {
            return;
        };
        run.assert_done(shell);
        let sum = fs_err::read_to_string(machine.asset_here("sha256")).expect("there");
        let digest = sum.split(' ').next().expect("a word");
        assert!(
            run.stdout.contains(&format!(
                "<init><--home><{}><--made><1><--verify-self><{digest}>",
                machine.home()
            )),
            "{}",
            run.stdout
        );
    });
}

#[test]
fn a_checksum_file_that_says_nothing_about_the_asset_is_refused() {
    let machine = Machine::new();
    let mirror = format!("file://{}", machine.release.files());
    let script = repository().join("install.sh");
    for text in [
        "",
        "\n",
        "<!DOCTYPE html>\n",
        "0000  ampup-other\n",
        &format!("{}\n", "0".repeat(64)),
    ] {
        for target in ampup::domain::Target::ALL {
            write(
                &Utf8PathBuf::from(format!("{}.sha256", machine.release.asset(target))),
                text,
            );
        }
        every(SHELLS, |shell| {
            let Some(run) = machine.run_script(&script, shell, &["--mirror", &mirror]) else {
                return;
            };
            // An empty file is one that could not be downloaded.
            let code = if text.is_empty() { 5 } else { 4 };
            run.assert_failed(code, "", shell);
        });
    }
    assert_eq!(snapshot(&machine.world.join("home")), ["user/ 40755"]);
}

#[test]
fn a_directory_that_lacks_the_file_is_told_without_a_status() {
    let machine = Machine::new();
    let mirror = format!("file://{}", machine.world.join("nowhere"));
    let script = repository().join("install.sh");
    every(SHELLS, |shell| {
        let Some(run) = machine.run_script(&script, shell, &["--mirror", &mirror]) else {
            return;
        };
        run.assert_failed(5, "does not exist", shell);
        assert!(!run.stderr.contains("404"), "{}", run.stderr);
    });
    // A release's script asks for its own version, which nobody has named.
    let empty = machine.world.join("empty");
    fs_err::create_dir(&empty).expect("made");
    let mirror_of = |place: &Utf8Path| format!("file://{place}");
    let rows = [
        (
            machine.world.join("nowhere"),
            [].as_slice(),
            5,
            "/nowhere` does not exist\nhint: `--mirror URL`",
        ),
        (
            machine.world.join("nowhere"),
            &["--version", "1.2.3"],
            5,
            "/nowhere` does not exist\nhint: `--mirror URL`",
        ),
        (
            empty.clone(),
            &[],
            3,
            "/empty\nhint: `--mirror URL` takes another place\n",
        ),
        (
            empty,
            &["--version", "1.2.3"],
            3,
            "/empty/v1.2.3\nhint: leave `--version` out",
        ),
    ];
    every(rows, |(place, arguments, code, words)| {
        let mirror = mirror_of(&place);
        let arguments = [["--mirror", &mirror].as_slice(), arguments].concat();
        machine.fails_in_every_shell(&arguments, code, words);
    });
}

#[test]
fn without_a_network_it_says_what_could_not_be_had() {
    let machine = Machine::new();
    let script = fs_err::read_to_string(machine.release.script()).expect("there");
    let nowhere = machine.world.join("nowhere.sh");
    // Port 9 (discard) of loopback: nobody answers.
    write(
        &nowhere,
        script.replace(&machine.server.url(), "http://127.0.0.1:9"),
    );
    every(SHELLS, |shell| {
        let Some(run) = machine.run_script(&nowhere, shell, &[]) else {
            return;
        };
        run.assert_failed(5, "cannot download http://127.0.0.1:9/", shell);
        // Once, with the reason, and nothing else.
        let lines: Vec<_> = run
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("  from "))
            .collect();
        assert_eq!(lines.len(), 3, "{}", run.stderr);
        assert!(lines[1].to_lowercase().contains("connect"), "{}", lines[1]);
    });
    machine.fails_in_every_shell(&["--version", "1.2.3"], 3, "there is no ampup 1.2.3 for");
}

#[test]
fn a_download_that_was_cut_is_refused() {
    let machine = Machine::with(STAND_IN, Reply::CutAfter(20));
    machine.fails_in_every_shell(&[], 5, "cannot download");
}

#[test]
fn wget_does_as_well_as_curl() {
    for busybox in [true, false] {
        let machine = Machine::new();
        machine.without("curl");
        let name = if busybox { "busybox" } else { "wget" };
        let Some(wget) = programs::find(name) else {
            continue;
        };
        machine.tool("wget", &wget);
        every(SHELLS, |shell| {
            let Some(run) = machine.run(shell, &[]) else {
                return;
            };
            run.assert_done(shell);
            assert!(run.stdout.contains("<init>"), "{shell:?}");
        });
        machine.fails_in_every_shell(&["--version", "1.2.3"], 3, "there is no ampup 1.2.3 for");
    }
}

/// Where no checksum is known, a downloader that checks no certificates would decide what is believed.
#[test]
fn busyboxs_wget_is_not_believed_about_a_checksum() {
    let machine = Machine::new();
    machine.without("curl");
    let Some(busybox) = programs::find("busybox") else {
        return;
    };
    machine.tool("wget", &busybox);
    let script = repository().join("install.sh");
    let run = machine.run_script(&script, &["dash"], &["--mirror", "https://127.0.0.1:9"]);
    run.expect("dash is here")
        .assert_failed(5, "may not check", &["dash"]);
}

#[test]
fn a_machine_without_a_downloader_is_told_so() {
    let machine = Machine::new();
    machine.without("curl");
    // busybox's ash has its own wget, PATH or not.
    every([&["dash"][..], &["bash"], &["zsh"]], |shell| {
        let Some(run) = machine.run(shell, &[]) else {
            return;
        };
        run.assert_failed(1, "neither curl nor wget", shell);
    });
    assert_eq!(snapshot(&machine.world.join("home")), ["user/ 40755"]);
}

#[test]
fn curl_from_snap_is_passed_over() {
    let mut machine = Machine::new();
    machine.without("curl");
    let snap = machine.world.join("snap/bin");
    write_program(&snap.join("curl"), "#!/bin/sh\nexit 0\n");
    let path = format!("{}:{snap}", machine.world.join("tools"));
    machine.set("PATH", path);
    every([&["dash"][..], &["bash"], &["zsh"]], |shell| {
        if let Some(run) = machine.run(shell, &[]) {
            run.assert_failed(1, "curl from snap", shell);
        }
    });
    if let Some(wget) = programs::find("wget") {
        machine.tool("wget", &wget);
        let run = machine.run(&["dash"], &[]).expect("dash is here");
        run.assert_done(&["dash"]);
    }
}

#[test]
fn a_word_that_is_no_option_stops_everything() {
    let machine = Machine::new();
    for (arguments, says) in [
        (&["--hoem", "/x"][..], "unknown option: `--hoem`"),
        (&["postgres"], "unknown option: `postgres`"),
        (&["--yes=1"], "unknown option: `--yes=1`"),
        (&["--home"], "`--home` needs a value"),
        (&["--home", "/a:b"], "cannot be put on PATH"),
        (&["--version", "1 2"], "not a version"),
        (&["--component", "a;b"], "not a component"),
        (&["--component", "*"], "not a component"),
        (&["--mirror", "http://example.org/x"], "neither https://"),
        (
            &["--mirror", "http://127.0.0.1.example.org/x"],
            "neither https://",
        ),
        (&["--mirror", "ftp://example.org/x"], "neither https://"),
        (&["--install-dir", "/x"], "is now `--home`"),
    ] {
        machine.fails_in_every_shell(arguments, 2, says);
    }
    assert_eq!(machine.server.requests(), [""; 0]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let machine = Machine::new();
    let file = machine.world.join("file");
    write(&file, "");
    machine.fails_in_every_shell(&["--home", file.join("home").as_str()], 7, "cannot make");
    let full = |command: &str| {
        let inside = machine.user().join("amp");
        let script = machine.release.script();
        let inner = format!(
            "mkdir '{inside}' && mount -t tmpfs -o {command} none '{inside}' && \
             PATH='{}' dash -s -- --home '{inside}' <'{script}'; code=$?; ls -A '{inside}'; umount '{inside}'; rmdir '{inside}'; exit $code",
            machine.world.join("tools"),
        );
        let dash = programs::find("dash").expect("here");
        machine.tool("dash", &dash);
        let output = Command::new("unshare")
            .args(["-rm", "sh", "-c", &inner])
            .env("HOME", machine.user())
            .output()
            .expect("started");
        Run::of(output)
    };
    // A machine that lets nobody mount anything cannot show the rest.
    let allowed = Command::new("unshare")
        .args(["-rm", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        return;
    }
    machine.release.replace_programs(vec![b'#'; 300_000]);
    full("size=64k").assert_failed(7, "the disk is full", &["dash"]);
    machine.release.replace_programs(STAND_IN);
    full("noexec").assert_failed(1, "noexec", &["dash"]);
}

#[test]
fn a_user_without_home_is_asked_for_one() {
    let mut machine = Machine::new();
    machine.set("HOME", "");
    machine.fails_in_every_shell(&[], 2, "`HOME` is not set");
    let elsewhere = machine.user().join("amp");
    every(SHELLS, |shell| {
        if let Some(run) = machine.run(shell, &["--home", elsewhere.as_str()]) {
            run.assert_done(shell);
        }
    });
}

/// ampup's own failure is the script's, and what ampup made stays.
#[test]
fn what_ampup_answers_is_the_scripts_answer() {
    let machine = Machine::with(
        "#!/bin/sh\nwhile [ \"$1\" != --home ]; do shift; done\nmkdir -p \"$2\"\necho kept >\"$2/kept\"\nexit 6\n",
        Reply::Whole,
    );
    every(SHELLS, |shell| {
        let Some(run) = machine.run(shell, &[]) else {
            return;
        };
        assert_eq!(run.code, Some(6), "{shell:?}: {}", run.stderr);
        assert_eq!(snapshot(&machine.home()), ["kept 100644 kept\\n"], "{shell:?}");
    });
}

#[test]
fn interrupted_it_takes_its_files_away() {
    let machine = Machine::with(STAND_IN, Reply::Silence);
    for shell in SHELLS {
        let Some(mut command) = machine.command(shell, &[]) else {
            continue;
        };
        let script = fs_err::File::open(machine.release.script()).expect("there");
        let asked = machine.server.requests().len();
        let mut child = command
            .stdin(Stdio::from(script.into_parts().0))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        while machine.server.requests().len() == asked {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Ctrl-C reaches the shell and its downloader: the group that `setsid` made for them.
        let group = group_below(child.id());
        rustix::process::kill_process_group(group, rustix::process::Signal::INT).expect("sent");
        let code = child.wait().expect("ended").code();
        assert_ne!(code, Some(0), "{shell:?}");
        assert_eq!(
            snapshot(&machine.world.join("home")),
            ["user/ 40755"],
            "{shell:?}"
        );
    }
}

/// The session that `setsid --wait` started: itself, if it needed no fork, else its only child.
fn group_below(parent: u32) -> rustix::process::Pid {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let child = fs_err::read_to_string(children).expect("on Linux");
    let child = child
        .split_whitespace()
        .next()
        .map_or(parent, |text| text.parse().expect("a number"));
    let own = rustix::process::Pid::from_raw(i32::try_from(child).expect("a pid")).expect("not zero");
    rustix::process::getpgid(Some(own)).expect("alive")
}

#[test]
fn a_signature_counts_where_minisign_is_here() {
    let Some(minisign) = programs::find("minisign") else {
        return;
    };
    let keys = World::new();
    let key = |name: &str| {
        let (public, secret) = (keys.join(&format!("{name}.pub")), keys.join(name));
        let made = Command::new(&minisign)
            .args(["-G", "-W", "-f", "-p", public.as_str(), "-s", secret.as_str()])
            .output()
            .expect("started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let text = fs_err::read_to_string(public).expect("there");
        (text.lines().nth(1).expect("the key").to_owned(), secret)
    };
    let (known, secret) = key("known");
    let (offline, _) = key("offline");
    let (unknown, _) = key("unknown");
    let machine = |public: &str| {
        let machine = Machine::signed(&[("PUBLIC_KEYS", public), ("MINISIGN_SECRET_KEY", secret.as_str())]);
        machine.tool("minisign", &minisign);
        machine
    };
    // Any one of the keys may have signed.
    let good = machine(&format!("{offline} {known}"));
    every(SHELLS, |shell| {
        if let Some(run) = good.run(shell, &[]) {
            run.assert_done(shell);
        }
    });
    assert!(
        good.server
            .requests()
            .iter()
            .any(|path| path.ends_with(".minisig"))
    );
    machine(&unknown).fails_in_every_shell(&[], 4, "is not by a key of ampup");
    let unsigned = Machine::signed(&[("PUBLIC_KEYS", &known)]);
    unsigned.tool("minisign", &minisign);
    unsigned.fails_in_every_shell(&[], 5, ".minisig");

    // A signed file of another release, under this one's name, with a checksum file that fits.
    let files = good.release.files();
    fs_err::os::unix::fs::symlink(&files, files.join("v1.2.3")).expect("linked");
    let mirror = format!("file://{files}");
    good.fails_in_every_shell(
        &["--mirror", &mirror, "--version", "1.2.3"],
        4,
        "is not by a key of ampup",
    );
}
