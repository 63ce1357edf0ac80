//! Laws that hold after any interrupted or failed command: docs/torture.md. In the suite it is sampled; with
//! `AMPUP_TORTURE=whole` (`just torture`) every point is tried.

mod crowd;
mod leaving;
mod oracle;
mod outage;
mod places;
mod point;
mod power;
mod room;
mod signals;
mod start;
mod state;
mod sweep;

use ampup::env::Env;

/// Returns true if everything is tried, and not only a sample.
fn whole() -> bool {
    Env::capture().var("AMPUP_TORTURE") == Some("whole")
}
