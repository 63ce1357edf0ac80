//! Power cuts: what was reported as done is on disk. The order of the calls is read from the tracer's log; and where
//! there are loop devices, an ext4 image is copied before the calls, as a power cut would leave it, and mounted again.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{
    oracle::Store,
    point::{CASES, Case, Point, Reference, judge},
    whole,
};
use crate::support::{
    home::Home,
    postgres::run_as,
    programs,
    tracer::{Call, Deed, Traced, trace_with},
};

/// The position of the first call from `from` on for which this is so.
fn find(traced: &Traced, from: usize, what: &str, is_it: impl Fn(&Call) -> bool) -> usize {
    let rest = &traced.calls[from..];
    let found = rest.iter().position(is_it);
    from + found.unwrap_or_else(|| panic!("no {what} after call {from} of {:#?}", traced.calls))
}

fn is_rename(call: &Call, end: &str) -> bool {
    call.name.starts_with("rename") && call.text.ends_with(end)
}

fn is_flush(call: &Call, end: &str) -> bool {
    call.name == "fsync" && call.text.ends_with(end)
}

#[test]
fn everything_is_flushed_in_its_order_before_success_is_told() {
    let case = CASES
        .iter()
        .find(|case| case.name == "install over")
        .expect("a case");
    let mut home = Home::new();
    (case.prepare)(&mut home);
    let traced = Reference::of(case, &home).watched;
    let of_tree =
        |call: &Call| call.text.contains("/tree/tree") && call.name != "syncfs" && call.name != "fsync";
    let written = traced
        .calls
        .iter()
        .rposition(|call| of_tree(call) && call.name == "write")
        .expect("written");
    // The tree, its receipt last, and all of it flushed; then it gets its name, and its directory is flushed.
    let receipt = find(&traced, written, "receipt", |call| {
        call.text.ends_with("/tree/tree/.receipt.json")
    });
    assert_eq!(receipt, written, "the receipt is written last");
    let flushed = find(&traced, receipt, "flush of the tree", |call| {
        call.name == "syncfs"
    });
    let published = find(&traced, flushed, "publishing", |call| {
        is_rename(call, "/components/tool/2.0.0")
    });
    let touched = traced.calls[flushed..published].iter().find(|call| of_tree(call));
    assert!(
        touched.is_none(),
        "nothing is written after it was flushed: {touched:?}"
    );
    let publishing = find(&traced, published, "flush", |call| {
        is_flush(call, "/components/tool")
    });
    // What is about to happen was written down before.
    let noted = find(&traced, receipt, "note", |call| is_rename(call, "/.commit.json"));
    let note = find(&traced, noted, "flush of the note", |call| call.name == "fsync");
    assert!(note < published, "{note} {published}");
    // The generation, then the link, then the home; then it is told.
    let made = find(&traced, publishing, "generation", |call| {
        is_rename(call, "/generations/3")
    });
    let filled = traced.calls[..made]
        .iter()
        .rposition(|call| is_flush(call, "/generation"))
        .expect("flushed");
    let content = |call: &&Call| call.text.contains("/generation/") && call.name != "fsync";
    assert_eq!(traced.calls[filled..made].iter().find(content), None);
    let made = find(&traced, made, "flush", |call| is_flush(call, "/generations"));
    let flipped = find(&traced, made, "flip", |call| is_rename(call, "/.ampup/active"));
    let durable = find(&traced, flipped, "flush of the home", |call| {
        is_flush(call, "/.ampup")
    });
    find(&traced, durable, "success", |call| {
        !call.changes && call.text.contains("installed tool")
    });
    let success = traced
        .calls
        .iter()
        .position(|call| !call.changes && call.text.contains("installed tool"));
    assert!(success > Some(durable));
}

/// A file system of our own in a file.
struct Image {
    file: Utf8PathBuf,
    at: Utf8PathBuf,
}

impl Image {
    fn mount(file: &Utf8Path, at: &Utf8Path) -> Option<Self> {
        fs::create_dir_all(at).expect("made");
        let done = run(&["mount", "-o", "loop,commit=300", file.as_str(), at.as_str()]);
        done.then(|| Self {
            file: file.to_owned(),
            at: at.to_owned(),
        })
    }

    /// The disk as it is now, without what only the memory holds.
    fn copy(&self, to: &Utf8Path) {
        assert!(run(&["cp", "--sparse=always", self.file.as_str(), to.as_str()]));
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        run(&["umount", self.at.as_str()]);
    }
}

fn run(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_disk_that_lost_its_power_before_any_call_holds_the_store_before_or_after() {
    let cases = if whole() { &CASES[..] } else { &CASES[2..3] };
    for case in cases {
        replay(case, if whole() { usize::MAX } else { 10 });
    }
}

fn replay(case: &Case, at_most: usize) {
    let mut home = Home::new();
    (case.prepare)(&mut home);
    let reference = Reference::of(case, &home);
    let world = tempfile::tempdir().expect("a directory");
    let world = Utf8Path::from_path(world.path()).expect("UTF-8");
    fs::set_permissions(world, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("opened");
    let file = world.join("image");
    assert!(run(&["truncate", "-s", "48M", file.as_str()]));
    if !run(&[
        "mkfs.ext4",
        "-q",
        "-F",
        "-E",
        "lazy_itable_init=0,lazy_journal_init=0",
        file.as_str(),
    ]) {
        return programs::skip("no mkfs.ext4");
    }
    let at = world.join("disk");
    let Some(image) = Image::mount(&file, &at) else {
        return programs::skip("no loop devices, or we are not root");
    };
    let user = at.join("user");
    fs::create_dir(&user).expect("made");
    if let Some(owner) = run_as() {
        fs_err::os::unix::fs::chown(&user, Some(owner.uid), Some(owner.gid)).expect("given away");
    }
    if home.path().exists() {
        assert!(run(&["cp", "-a", home.path().as_str(), user.as_str()]));
    }
    assert!(run(&["sync", "-f", at.as_str()]));
    let count = reference.watched.count();
    let step = count.div_ceil(at_most).max(1);
    let snapshot = |number: usize| world.join(format!("snapshot-{number}"));
    let mut taken = Vec::new();
    let mut is_reported = false;
    let point = Point::at(&home, user);
    let owner = run_as().map(|user| (user.uid, user.gid));
    let traced = trace_with(&point.command(case.command), owner, Deed::Watch, &mut |call| {
        is_reported |= !call.changes && super::oracle::is_success(&call.text);
        if let Some(number) = call.number.filter(|number| number % step == 0) {
            image.copy(&snapshot(number));
            taken.push((number, is_reported));
        }
    });
    assert_eq!(traced.code, Some(0), "{traced:#?}");
    image.copy(&snapshot(0));
    taken.push((0, true));
    std::mem::forget(point);
    drop(image);
    let mut wrong = Vec::new();
    for (number, is_reported) in &taken {
        let disk = Image::mount(&snapshot(*number), &at).expect("it was possible before");
        let point = Point::at(&home, at.join("user"));
        let before = Store::read(&point.path());
        match judge(case, &point, &reference) {
            Ok(is_done) if *is_reported && !is_done => {
                wrong.push(format!("{number}: told, and not done: {before:#?}"))
            }
            Ok(_) => {}
            Err(what) => wrong.push(format!("{number}: {what}")),
        }
        std::mem::forget(point);
        drop(disk);
        fs::remove_file(snapshot(*number)).expect("removed");
    }
    report(case.name, taken.len(), wrong.len());
    assert!(wrong.is_empty(), "{}: {wrong:#?}\n{:#?}", case.name, traced.calls);
}

#[expect(clippy::print_stderr, reason = "docs/torture.md is written from it")]
fn report(name: &str, tried: usize, wrong: usize) {
    eprintln!("torture: power cut, {name}: {tried} points tried, {wrong} wrong");
}
