//! The programs of this machine that tests run: shells above all.

use ampup::env::Env;
use camino::Utf8PathBuf;

/// Where a program is. A test of what is not here is skipped.
pub(crate) fn find(name: &str) -> Option<Utf8PathBuf> {
    let search_path = Env::capture().search_path();
    let mut places = search_path.into_iter().map(|directory| directory.join(name));
    let found = places.find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("`{name}` is not on this machine"));
    }
    found
}

/// Says that what a test needs is not here. Where `AMPUP_TEST_STRICT` is set (as CI does), the test fails.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn skip(why: &str) {
    assert!(
        Env::capture().var("AMPUP_TEST_STRICT").is_none(),
        "{why}, and AMPUP_TEST_STRICT is set"
    );
    eprintln!("skipped: {why}");
}

/// Returns true if a program that we start hears this signal: a shell sets some to be ignored for what runs in the background.
pub(crate) fn is_heard(signal: i32) -> bool {
    let Ok(status) = fs_err::read_to_string("/proc/self/status") else {
        return true;
    };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.expect("it is there").trim(), 16).expect("a number");
    ignored >> (signal - 1) & 1 == 0
}
