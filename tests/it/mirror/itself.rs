//! ampup itself in a mirror.

use super::*;

/// The running program is carried where the registry knows no release, and never in the place of one that it knows.
#[test]
fn ampup_itself_is_the_registrys_release_or_said_to_be_none() {
    let own = format!("ampup-{TARGET}");
    let kept = Kept::new();
    let run = kept.mirror(&["tool"]).exits(0);
    assert!(
        run.stderr
            .contains("the running program, which is no release that the registry knows"),
        "{run:#?}"
    );
    let running = fs::read(program()).expect("read");
    assert_eq!(fs::read(kept.directory().join(&own)).expect("there"), running);
    let checksum = fs::read_to_string(kept.directory().join(format!("{own}.sha256"))).expect("there");
    assert_eq!(
        format!("sha256:{checksum}"),
        format!("{}  {own}\n", sha256(&running))
    );

    // A release that can be had comes in its place.
    let mut kept = Kept::new();
    let release = script("ampup", "9.9.9");
    kept.home.offer_script("ampup", "9.9.9", &release);
    let run = kept.mirror(&["tool"]).exits(0);
    assert!(
        run.stderr.contains("added ampup 9.9.9 for ") || run.stderr.contains("added ampup v9.9.9"),
        "{run:#?}"
    );
    assert_eq!(
        fs::read_to_string(kept.directory().join(&own)).expect("there"),
        release
    );
    assert!(kept.blob(release.as_bytes()).exists(), "for `self update`");

    // One that cannot be had, of the version that runs, with another digest: not this program.
    let mut kept = Kept::new();
    kept.home
        .offer_script("ampup", env!("CARGO_PKG_VERSION"), "another");
    fs::remove_file(
        kept.home
            .registry()
            .with_file_name(format!("ampup-{}", env!("CARGO_PKG_VERSION"))),
    )
    .expect("removed");
    let run = kept.mirror(&["tool"]).exits(0);
    assert!(
        run.stderr.contains("not in the mirror: ampup for ") && run.stderr.contains("is not the release v"),
        "{run:#?}"
    );
    assert!(!kept.directory().join(&own).exists());
}
