//! The state of a cluster as `pg_control` has it (`ControlFileData` and `CheckPoint` in PostgreSQL's `pg_control.h` and
//! `pg_controldata`; the places are the same in every version that is in use).

use std::ops::RangeInclusive;

use super::decide::FIRST_OF_USERS;

/// The versions of the file that are known, PostgreSQL 12's to 18's. Before, and maybe after, it is laid out in another way.
const KNOWN: RangeInclusive<u32> = 1201..=1800;
/// Where its version is.
const VERSION: usize = 8;
/// Where the cluster's state is.
const STATE: usize = 16;
/// Where the last checkpoint has the number that the next object gets, as far as numbers were reserved.
const NEXT_OBJECT: usize = 72;
/// Where it has the bounds of the transactions and multixacts that are recorded: the next of each, and the oldest.
#[cfg(feature = "cli")]
const TRANSACTIONS: (usize, usize) = (64, 84);
#[cfg(feature = "cli")]
const MULTIXACTS: (usize, usize) = (76, 92);
/// The state after a shutdown in good order, be it a server's or initdb's.
const SHUT_DOWN: u32 = 1;

/// Returns true if it does not say that its last user, which may be initdb, shut down in good order.
pub(crate) fn is_open(control: &[u8]) -> bool {
    number(control, STATE).is_some_and(|state| state != SHUT_DOWN)
}

/// Returns true if it proves that no object of a user's was ever made: each gets its number from a counter that stays below those
/// numbers in initdb, and the counter of a cluster that was shut down in good order is here.
pub(super) fn is_pristine(control: &[u8]) -> bool {
    let is_known = number(control, VERSION).is_some_and(|version| KNOWN.contains(&version));
    let next = number(control, NEXT_OBJECT).map(u64::from);
    is_known
        && number(control, STATE) == Some(SHUT_DOWN)
        && next.is_some_and(|next| (1..FIRST_OF_USERS).contains(&next))
}

/// Numbers that a log has something about: the oldest of them, and the one after the last.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub oldest: u32,
    pub next: u32,
}

/// The bounds of the logs of transactions, as of the last checkpoint.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Logs {
    pub transactions: Span,
    pub multixacts: Span,
}

/// Reads the bounds of those logs; `None` where the file is none that we know.
#[cfg(feature = "cli")]
pub(crate) fn logs(control: &[u8]) -> Option<Logs> {
    let version = number(control, VERSION)?;
    let span = |(next, oldest)| {
        let (next, oldest) = (number(control, next)?, number(control, oldest)?);
        // Neither is 0 in a file that is whole.
        (next != 0 && oldest != 0).then_some(Span { oldest, next })
    };
    Some(Logs {
        transactions: span(TRANSACTIONS)?,
        multixacts: span(MULTIXACTS)?,
    })
    .filter(|_| KNOWN.contains(&version))
}

/// The number that initdb gave to the cluster, which its copies share.
#[cfg(feature = "cli")]
pub(super) fn identifier(control: &[u8]) -> Option<u64> {
    let bytes = control.get(..VERSION)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

fn number(control: &[u8], at: usize) -> Option<u32> {
    let bytes = control.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(version: u32, state: u32, next: u32) -> Vec<u8> {
        let mut control = vec![0; 296];
        for (at, value) in [(VERSION, version), (STATE, state), (NEXT_OBJECT, next)] {
            control[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        control
    }

    #[test]
    fn only_a_known_file_of_a_cluster_that_was_shut_down_proves_anything() {
        let in_production = 6;
        let rows = [
            ((1300, SHUT_DOWN, 13573), true),
            ((1800, SHUT_DOWN, 12784), true),
            ((1800, SHUT_DOWN, 16385), false),
            ((1800, in_production, 12784), false),
            ((1100, SHUT_DOWN, 1), false),
            ((1900, SHUT_DOWN, 12784), false),
            ((1800, SHUT_DOWN, 0), false),
        ];
        for ((version, state, next), expected) in rows {
            let control = control(version, state, next);
            assert_eq!(is_pristine(&control), expected, "{version} {state} {next}");
            assert_eq!(is_open(&control), state != SHUT_DOWN);
        }
        assert!(!is_pristine(b""));
    }
}
