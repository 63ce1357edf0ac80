//! Kill and fault sweeps: each command, cut before every call that changes something, and with each of them failing.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use nix::{errno::Errno, sys::signal::Signal};

use super::{
    oracle::wrong_words,
    point::{CASES, Case, Extent, INIT, POSTGRES, Point, Reference, SELF_UPDATE, account, judge},
    whole,
};
use crate::support::{
    home::Home,
    tracer::{Call, Deed, Traced},
};

/// Tries one point.
///
/// # Errors
/// When something is wrong.
fn attempt(case: &Case, home: &Home, reference: &Reference, deed: Deed, name: &str) -> Result<(), String> {
    let point = Point::new(home, name);
    let traced = point.trace(case.command, deed);
    let complain = |what: String| format!("{}, {deed:?}: {what}\n{}", case.name, account(&traced));
    let is_done = judge(case, &point, reference).map_err(complain)?;
    let wrong = wrong_end(&traced, deed, is_done);
    let lives_on = (traced.outlived > 0).then(|| format!("{} processes live on", traced.outlived));
    wrong.or(lives_on).map_or(Ok(()), |what| Err(complain(what)))
}

/// 3. It failed and said so, or did it.
pub(super) fn wrong_end(traced: &Traced, deed: Deed, is_done: bool) -> Option<String> {
    let words = |code| wrong_words(code, &traced.stdout, &traced.stderr);
    match traced.code {
        Some(0) if !is_done => Some("exit 0, and not done".to_owned()),
        Some(0) if traced.stderr.contains("error:") => Some("exit 0 with an error".to_owned()),
        Some(0) => None,
        Some(143) if matches!(deed, Deed::SignalBefore(..)) => words(1),
        Some(code) => words(code).or_else(|| wrong_code(traced, deed, code)),
        None if matches!(deed, Deed::KillBefore(_)) => None,
        None => Some(format!("ended by {:?}", traced.signal)),
    }
}

/// Judges the exit code: what the disk refuses ends with code 7, and what the limit of open files refuses with 1; what is interrupted is made again.
fn wrong_code(traced: &Traced, deed: Deed, code: i32) -> Option<String> {
    let Deed::Fail { errno, .. } = deed else {
        return None;
    };
    let failed = traced.calls.iter().find(|call| call.failed)?;
    let of_disk = [
        Errno::ENOSPC,
        Errno::EDQUOT,
        Errno::EIO,
        Errno::EROFS,
        Errno::EACCES,
    ]
    .contains(&errno);
    if of_disk && failed.of_program && code != 7 {
        return Some(format!("exit code {code} where the disk refused"));
    }
    if errno == Errno::EMFILE && failed.of_program && code != 1 {
        return Some(format!("exit code {code} where no file could be opened"));
    }
    let ours = |call: &&Call| call.of_program && call.is_interruptible();
    if errno == Errno::EINTR
        && traced
            .calls
            .iter()
            .filter(|call| call.failed)
            .all(|call| ours(&call))
    {
        return Some(format!("it failed because `{}` was interrupted", failed.name));
    }
    None
}

const ERRORS: [Errno; 7] = [
    Errno::ENOSPC,
    Errno::EDQUOT,
    Errno::EIO,
    Errno::EACCES,
    Errno::EROFS,
    Errno::EMFILE,
    Errno::EINTR,
];

/// All points at these calls: kills, signals and faults.
pub(super) fn points_at(numbers: &[usize], signal: Signal) -> [Vec<Deed>; 3] {
    let kills = numbers.iter().copied().map(Deed::KillBefore).collect();
    let signals = numbers.iter().map(|number| Deed::SignalBefore(*number, signal));
    let mut faults = Vec::new();
    for errno in ERRORS {
        for on in [false, true] {
            faults.extend(numbers.iter().map(|number| Deed::Fail {
                number: *number,
                errno,
                on,
            }));
        }
    }
    [kills, signals.collect(), faults]
}

/// So many of them, spread evenly.
pub(super) fn sample(deeds: Vec<Deed>, kept: usize) -> impl Iterator<Item = Deed> {
    // Odd, so that a step and the number of calls seldom share a factor, and all kinds of calls are met.
    let step = deeds.len().div_ceil(kept).max(1) | 1;
    deeds.into_iter().step_by(step)
}

/// The numbers of the calls that are tried. Of the many in a row that write one large file these are the first, one in the
/// middle and the last: the others find the same and leave the same.
pub(super) fn telling(calls: &[Call]) -> Vec<usize> {
    let counted: Vec<&Call> = calls.iter().filter(|call| call.number.is_some()).collect();
    let rows = counted.chunk_by(|one, next| {
        ["write", "copy_file_range", "sendfile"].contains(&one.name)
            && (one.name, &one.text) == (next.name, &next.text)
    });
    let mut numbers = Vec::new();
    for row in rows {
        let mut places = vec![0, row.len() / 2, row.len() - 1];
        places.dedup();
        numbers.extend(places.into_iter().filter_map(|place| row[place].number));
    }
    numbers
}

fn sweep(case: &Case) {
    let kept = match (case.extent, whole()) {
        (Extent::Whole | Extent::Large, true) => [usize::MAX; 3],
        (Extent::Sampled(kept), true) => kept,
        (Extent::Whole, false) => [5, 2, 9],
        (Extent::Large, false) => [3, 1, 4],
        (Extent::Sampled(_), false) => return,
    };
    let mut home = Home::new();
    (case.prepare)(&mut home);
    let reference = Reference::of(case, &home);
    let numbers = telling(&reference.watched.calls);
    let points = points_at(&numbers, Signal::SIGTERM);
    let deeds: Vec<Deed> = points
        .into_iter()
        .zip(kept)
        .flat_map(|(all, kept)| sample(all, kept))
        .collect();
    all(case.name, reference.watched.count(), &deeds, |deed, name| {
        attempt(case, &home, &reference, deed, name)
    });
}

/// Tries all of them, two at a time.
pub(super) fn all(
    what: &str,
    calls: usize,
    deeds: &[Deed],
    attempt: impl Fn(Deed, &str) -> Result<(), String> + Sync,
) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(deed) = deeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!("{deed:?}").replace([' ', '{', '}', ':', ',', '(', ')'], "");
                    if let Err(what) = attempt(*deed, &name) {
                        wrong.lock().expect("no panic while held").push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic while held");
    report(what, calls, deeds.len(), wrong.len());
    let some: Vec<String> = wrong.iter().take(12).cloned().collect();
    assert!(
        wrong.is_empty(),
        "{} of {} points are wrong; some of them:\n{}",
        wrong.len(),
        deeds.len(),
        some.join("\n----\n")
    );
}

#[expect(clippy::print_stderr, reason = "docs/torture.md is written from it")]
fn report(name: &str, calls: usize, tried: usize, wrong: usize) {
    eprintln!("torture: {name}: {calls} calls, {tried} points tried, {wrong} wrong");
}

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).expect("a case")
}

/// One test a case, so that they are found and run by name.
macro_rules! sweeps {
    ($($test:ident => $name:literal,)*) => {
        $(#[test]
        fn $test() {
            sweep(case($name));
        })*

        #[test]
        fn an_init_is_whole_or_absent() {
            sweep(&INIT);
        }

        #[test]
        fn a_self_update_is_whole_or_absent() {
            sweep(&SELF_UPDATE);
        }

        /// The real one, in a torture run alone.
        #[test]
        fn an_install_of_postgresql_is_whole_or_absent() {
            sweep(&POSTGRES);
        }

        #[test]
        fn no_case_is_forgotten() {
            assert_eq!([$($name),*].as_slice(), CASES.map(|case| case.name).as_slice());
        }
    };
}

sweeps! {
    a_first_install_is_whole_or_absent => "first install",
    an_install_is_whole_or_absent => "install",
    an_install_over_another_is_whole_or_absent => "install over",
    an_update_is_whole_or_absent => "update",
    a_use_is_whole_or_absent => "use",
    an_undo_is_whole_or_absent => "undo",
    an_uninstall_is_whole_or_absent => "uninstall",
    an_uninstall_of_what_is_not_active_is_whole_or_absent => "uninstall what is not active",
    a_repair_is_whole_or_absent => "repair",
    a_repair_of_a_link_is_whole_or_absent => "repair of a link",
}
