//! Full disks: small file systems of their own, made where a user namespace is allowed, or as root.

use std::process::Command;

use fs_err as fs;
use serde_json::json;

use crate::support::{
    archives::{TarEntry, tar_gz},
    home::{Home, Run, TARGET, finish, program, script, sha256},
    programs,
    server::{Reply, Server},
};

/// Sizes that the manifest states.
#[derive(Clone, Copy)]
enum Stated {
    Nothing,
    /// The archive's.
    Size,
    /// And that of the tree.
    Both(u64),
}

/// Offers a component with so many files of so many bytes, which shrink to nothing in its archive.
fn offer_large(home: &mut Home, name: &str, files: usize, bytes: usize, stated: Stated) {
    let mut main = TarEntry::file(&format!("bin/{name}"), &script(name, "1.0.0"));
    main.mode = 0o755;
    let mut entries = vec![main];
    for number in 0..files {
        entries.push(TarEntry::file(&format!("share/{number}"), &"x".repeat(bytes)));
    }
    let archive = tar_gz(&entries);
    let path = home.directory("work").join(format!("{name}.tar.gz"));
    fs::write(&path, &archive).expect("written");
    let mut artifact = json!({
        "target": TARGET, "provider": "acme", "format": "tar.gz", "source": {"kind": "file", "url": format!("file://{path}")},
        "integrity": {"kind": "pinned", "digest": sha256(&archive)},
    });
    if !matches!(stated, Stated::Nothing) {
        artifact["size"] = archive.len().into();
    }
    if let Stated::Both(unpacked) = stated {
        artifact["unpacked_size"] = unpacked.into();
    }
    home.offer_artifacts(name, "1.0.0", &[artifact]);
}

/// Leaves four mebibytes of the twenty.
const FILL_BYTES: &str = "head -c 16777216 /dev/zero > $small/fill";
/// Leaves about a hundred inodes of the four hundred.
const FILL_INODES: &str =
    "mkdir $small/fill; i=0; while [ $i -lt 300 ]; do : > $small/fill/$i; i=$((i + 1)); done";

/// An installation that finds no room, and the same again when there is some.
const IN_THE_MIDDLE: &str = "ampup install tool\nampup install large\nampup list\nls -A $small/home/staging\n\
                             $small/home/bin/tool\nrm -r $small/fill\nampup install large\nampup list\n";

/// Runs a script with a tmpfs at `$small` that `fill` fills, ampup's home in it, and `ampup` as the program. `None` where that is not
/// allowed.
fn on_small_disk(home: &Home, fill: &str, lines: &str) -> Option<Run> {
    let small = home.directory("user").join("small");
    fs::create_dir(&small).expect("made");
    let is_root = rustix::process::geteuid().is_root();
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    // Mounting makes us root in a namespace of our own; ampup runs as who we are.
    let again = if is_root {
        String::new()
    } else {
        format!("unshare --map-user={uid} --map-group={gid} -- ")
    };
    let script = format!(
        "small={small}; mount -t tmpfs -o mode=755,size=20m,nr_inodes=400 none $small || exit 99\n{fill}\n\
         export AMPUP_HOME=$small/home\n\
         ampup() {{ {again}{} \"$@\" 2>&1; echo \"code $?\"; }}\n{lines}",
        program()
    );
    let plain = home.command_as_we_are(&[]);
    let mut command = Command::new("unshare");
    command.args(if is_root { &["-m"][..] } else { &["-rm"] });
    command
        .args(["sh", "-c", &script])
        .current_dir(home.work())
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("set"));
    }
    let run = finish(command);
    if run.code == 99 || run.stderr.contains("unshare failed") {
        programs::skip(&format!("no small file system here: {}", run.stderr));
        return None;
    }
    Some(run)
}

/// The parts of a script's output, each with the code of its ampup.
fn parts(run: &Run) -> Vec<(i32, String)> {
    let mut parts = Vec::new();
    let mut text = String::new();
    for line in run.stdout.lines() {
        match line.strip_prefix("code ") {
            Some(code) => parts.push((code.parse().expect("a number"), std::mem::take(&mut text))),
            None => text += &format!("{line}\n"),
        }
    }
    parts
}

#[test]
fn what_is_needed_and_what_is_free_is_told_before_anything_is_written() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    offer_large(&mut home, "large", 10, 1 << 20, Stated::Both(11 << 20));
    let lines = "ampup install tool\nampup install large\nampup list\nls -A $small/home/staging\n\
                 rm -r $small/fill\nampup install large\n";
    let Some(run) = on_small_disk(&home, FILL_BYTES, lines) else {
        return;
    };
    let parts = parts(&run);
    assert_eq!(parts.len(), 4, "{run:#?}");
    assert_eq!((parts[0].0, parts[1].0), (0, 7), "{run:#?}");
    assert!(parts[1].1.contains("MiB free, and large needs "), "{run:#?}");
    assert!(parts[1].1.contains("/small/home/staging"), "{run:#?}");
    assert_eq!(parts[2].1, "tool 1.0.0 (active)\n");
    assert_eq!(parts[3].0, 0, "and nothing was in staging: {run:#?}");
    assert!(parts[3].1.starts_with("installed large"), "{run:#?}");
}

/// A size that the manifest does not state is counted when the archive is here, before any of it is written.
#[test]
fn what_is_in_an_archive_is_counted_where_the_disk_may_not_hold_it() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    offer_large(&mut home, "large", 10, 1 << 20, Stated::Nothing);
    let Some(run) = on_small_disk(&home, FILL_BYTES, IN_THE_MIDDLE) else {
        return;
    };
    changes_nothing(&run, "MiB free, and 12 MiB are needed");
}

/// Nor does the size of an archive say how much is in it: this one shrinks to a thousandth.
#[test]
fn a_stated_size_is_not_all_that_is_asked() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    offer_large(&mut home, "large", 10, 1 << 20, Stated::Size);
    let Some(run) = on_small_disk(&home, FILL_BYTES, IN_THE_MIDDLE) else {
        return;
    };
    changes_nothing(&run, "MiB free, and 12 MiB are needed");
}

/// A raw file is copied into the tree: as soon as a server tells how large it is, there must be room for it twice.
#[test]
fn a_download_and_the_tree_that_it_becomes_are_asked_for_together() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    let bytes = [script("large", "1.0.0").into_bytes(), vec![b'\n'; 3 << 20]].concat();
    let digest = sha256(&bytes);
    let server = Server::start(move |request, _| Reply::honest(&bytes, request));
    let artifact = json!({
        "target": TARGET, "provider": "acme", "format": "raw",
        "source": {"kind": "https", "url": server.url("/large")},
        "integrity": {"kind": "pinned", "digest": digest},
    });
    home.offer_artifacts("large", "1.0.0", &[artifact]);
    let Some(run) = on_small_disk(&home, FILL_BYTES, IN_THE_MIDDLE) else {
        return;
    };
    changes_nothing(&run, "7 MiB are needed, and ");
}

#[test]
fn a_disk_without_inodes_changes_nothing() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    offer_large(&mut home, "large", 200, 10, Stated::Nothing);
    let Some(run) = on_small_disk(&home, FILL_INODES, IN_THE_MIDDLE) else {
        return;
    };
    changes_nothing(&run, "more files, and 220 are needed");
}

/// Fewer than any installation makes are told before it is downloaded.
#[test]
fn a_disk_for_too_few_files_is_told_before_anything_is_written() {
    let mut home = Home::new();
    home.offer("tool", "1.0.0");
    home.offer("other", "1.0.0");
    let fill = "i=0; mkdir $small/fill";
    let lines = "ampup install tool\nwhile true > $small/fill/$i; do i=$((i + 1)); done 2>/dev/null\n\
                 rm $small/fill/0 $small/fill/1 $small/fill/2 $small/fill/3 $small/fill/4 $small/fill/5\n\
                 ampup install other\nampup list\nls -A $small/home/staging\nrm -r $small/fill\nampup install other\n";
    let Some(run) = on_small_disk(&home, fill, lines) else {
        return;
    };
    let parts = parts(&run);
    assert_eq!(parts.len(), 4, "{run:#?}");
    assert_eq!((parts[0].0, parts[1].0), (0, 7), "{run:#?}");
    assert!(
        parts[1].1.contains("more files, and other needs at least 16"),
        "{run:#?}"
    );
    assert!(
        parts[1].1.contains("/small/home/") && parts[1].1.contains("\n  free disk space"),
        "{run:#?}"
    );
    assert_eq!(parts[2].1, "tool 1.0.0 (active)\n");
    assert_eq!(parts[3].0, 0, "and nothing was in staging: {run:#?}");
}

/// The second of the five failed for this reason, and changed nothing.
fn changes_nothing(run: &Run, why: &str) {
    let parts = parts(run);
    assert_eq!(parts.len(), 5, "{run:#?}");
    assert_eq!((parts[0].0, parts[1].0), (0, 7), "{run:#?}");
    assert_eq!(parts[1].1.matches("error:").count(), 1, "{run:#?}");
    assert!(
        parts[1].1.contains("/small/home/") && parts[1].1.contains(why),
        "{run:#?}"
    );
    assert!(parts[1].1.contains("hint: free disk space"), "{run:#?}");
    assert_eq!(parts[2].1, "tool 1.0.0 (active)\n");
    assert!(
        parts[3].0 == 0 && parts[3].1.starts_with("tool 1.0.0\n"),
        "nothing in staging: {run:#?}"
    );
    assert_eq!(parts[4].1, "large 1.0.0 (active)\ntool  1.0.0 (active)\n");
}
