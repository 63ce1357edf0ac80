//! Looking again: readers take no lock, so that a writer may come in between.

/// So often a reader looks again.
const LIMIT: usize = 100;

/// Gives what `look` sees, once `state` is the same before and after it, or what was seen `is_sure` in any case. Where
/// somebody writes all the time, the last look counts.
pub fn until_unchanged<S: PartialEq, T>(
    mut state: impl FnMut() -> S,
    mut look: impl FnMut(&S) -> T,
    is_sure: impl Fn(&T) -> bool,
) -> T {
    let mut before = state();
    for _ in 0..LIMIT {
        let seen = look(&before);
        if is_sure(&seen) {
            return seen;
        }
        let after = state();
        if after == before {
            return seen;
        }
        before = after;
    }
    look(&before)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_writer_in_between_makes_it_look_again_but_not_for_ever() {
        let (changes, looks) = (Cell::new(3), Cell::new(0));
        let state = || {
            changes.set(changes.get() - 1);
            changes.get().max(0)
        };
        let look = |_: &i32| looks.replace(looks.get() + 1);
        // 2, 1, 0, 0: the third look lies between two equal states.
        assert_eq!(until_unchanged(state, look, |_| false), 2);
        assert_eq!(until_unchanged(|| 0, look, |_| true), 3);
        let restless = Cell::new(0);
        let state = || restless.replace(restless.get() + 1);
        until_unchanged(state, look, |_| false);
        assert_eq!(looks.get(), 4 + LIMIT + 1);
    }
}
