//! One line of progress that fits the terminal, however narrow that is.

use std::time::{Duration, Instant};

use super::board::{Board, Doing, Download, Work, lasting};
use crate::fs::space::sized;

/// No bar is wider.
const WIDEST: usize = 40;

/// The signs of a spinner, one after the other.
const SPINNER: [char; 4] = ['|', '/', '-', '\\'];

/// The lines of all work, in columns, none wider than `width`.
pub(super) fn rows(board: &Board, width: usize, beat: usize, now: Instant) -> Vec<String> {
    let names: Vec<&str> = board.0.keys().map(|name| short(name)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    // The name leaves room for what changes.
    let column = longest.min(width.saturating_sub(5).max(1));
    let rows = names.iter().zip(board.0.values());
    rows.map(|(name, work)| cut(&row(&padded(name, column), work, width, beat, now), width))
        .collect()
}

/// The name without the build of its version, which says nothing to who waits.
fn short(name: &str) -> &str {
    name.split('+').next().unwrap_or(name)
}

fn row(name: &str, work: &Work, width: usize, beat: usize, now: Instant) -> String {
    let spinner = SPINNER[beat % SPINNER.len()];
    let lasted = now - work.since;
    let lasted = if lasted < Duration::from_secs(5) {
        String::new()
    } else {
        format!(", {}", lasting(lasted))
    };
    let begin = format!("{name}  {spinner}");
    match &work.doing {
        Doing::Download(download) => bar(name, download, width, spinner, now),
        Doing::Unmeasured { client, size } => {
            let words = [
                format!("{client} downloads {size}, progress unknown{lasted}"),
                format!("{client}, progress unknown{lasted}"),
                format!("progress unknown{lasted}"),
                "progress unknown".to_owned(),
                "unknown".to_owned(),
            ];
            let room = width.saturating_sub(begin.chars().count() + 1);
            let words = words.iter().find(|words| words.chars().count() <= room);
            // As wide as the share of others.
            format!("{begin} {}", words.map_or("?%", String::as_str))
        }
        Doing::Step(words) => format!("{begin} {words}{lasted}"),
    }
}

/// The columns of a download, as many as there is room for: the share first, then the bar, bytes, rate and time left.
fn bar(name: &str, download: &Download, width: usize, spinner: char, now: Instant) -> String {
    let stalled = download.stalled(now);
    let stalled = stalled.map(|silence| format!("stalled {}", lasting(silence)));
    let rate = download.rate().filter(|_| stalled.is_none());
    let speed = rate.map(|rate| format!("{}/s", sized(rate))).unwrap_or_default();
    let amount = download.amount();
    let Some(total) = download.total.filter(|total| *total > 0) else {
        return format!("{name}  {spinner} {amount}  {}", stalled.unwrap_or(speed));
    };
    let received = download.received.min(total);
    let left = match rate {
        Some(rate @ 1..) => lasting(Duration::from_secs((total - received).div_ceil(rate))),
        _ => String::new(),
    };
    let mut room = width.saturating_sub(name.chars().count());
    let mut takes = |columns: usize| {
        let fits = room >= columns;
        room -= if fits { columns } else { 0 };
        fits
    };
    let share = takes(5).then(|| format!(" {:>3}%", received.saturating_mul(100) / total));
    let has_bar = takes(12);
    let amount = takes(15).then(|| format!("  {amount:>13}"));
    let speed = takes(12).then(|| format!("  {speed:>10}"));
    let left = takes(8).then(|| format!("  {left:>6}"));
    let cells = (8 + room).min(WIDEST);
    let drawn = has_bar.then(|| match &stalled {
        // In the place of the bar, which would not move.
        Some(words) if words.len() <= cells + 2 => format!("  {words:width$}", width = cells + 2),
        Some(_) => format!("  {:width$}", "stalled", width = cells + 2),
        None => drawn(received, total, cells),
    });
    let columns = [drawn, share, amount, speed, left];
    columns
        .into_iter()
        .flatten()
        .fold(name.to_owned(), |line, column| line + &column)
}

fn drawn(received: u64, total: u64, cells: usize) -> String {
    let cells = cells as u64;
    let full = usize::try_from(u128::from(received) * u128::from(cells) / u128::from(total)).unwrap_or(0);
    let rest = usize::try_from(cells).unwrap_or(0) - full;
    let head = if rest == 0 { "" } else { ">" };
    format!(
        "  [{}{head}{}]",
        "=".repeat(full),
        " ".repeat(rest.saturating_sub(1))
    )
}

fn padded(name: &str, columns: usize) -> String {
    format!("{:columns$}", cut(name, columns))
}

/// The text, or as much of it as fits.
fn cut(text: &str, columns: usize) -> String {
    let text = text.trim_end();
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Phase},
        table::every,
    };

    fn board(start: Instant) -> Board {
        let mut board = Board::default();
        for (name, total, is_measured) in [
            ("postgres 18.4", Some(22_626_304), true),
            ("ampd v0.0.36-nightly.20260313+abcdef0", None, false),
            ("ampctl v0.0.36-nightly.20260313+abcdef0", None, true),
        ] {
            let event = Event::DownloadStarted {
                name: name.to_owned(),
                source: "npm".to_owned(),
                total,
                resumed: 0,
                is_measured,
            };
            board.take(&event, start);
        }
        let progress = Event::DownloadProgress {
            name: "postgres 18.4".to_owned(),
            received: 10 << 20,
        };
        board.take(&progress, start + Duration::from_secs(4));
        board
    }

    #[test]
    fn a_row_fits_every_width_and_never_loses_the_share() {
        let start = Instant::now();
        let now = start + Duration::from_secs(7);
        for width in 19..200 {
            for row in rows(&board(start), width, 1, now) {
                assert!(row.chars().count() <= width, "{width}: `{row}`");
                assert!(
                    !row.starts_with("postgres") || row.contains(" 46%"),
                    "{width}: `{row}`"
                );
            }
        }
    }

    #[test]
    fn what_does_not_move_says_so_at_every_width() {
        let start = Instant::now();
        let row = |name: &str, width: usize, seconds: u64| {
            let rows = rows(&board(start), width - 1, 1, start + Duration::from_secs(seconds));
            rows.into_iter().find(|row| row.starts_with(name)).expect("a row")
        };
        let table = [
            ("postgres", 80, 19, "stalled 15 s"),
            ("postgres", 50, 19, "stalled"),
            ("ampd", 100, 19, "npm downloads it, progress unknown, 19 s"),
            ("ampd", 80, 19, "npm downloads it, progress unknown, 19 s"),
            ("ampd", 60, 19, "progress unknown, 19 s"),
            ("ampd", 44, 19, "unknown"),
        ];
        every(table, |(name, width, seconds, words)| {
            let row = row(name, width, seconds);
            assert!(row.contains(words), "{width}: `{row}`");
        });
        let mut board = board(start);
        board.0.retain(|name, _| name.starts_with("ampd"));
        let pip = board.0.pop_first().expect("one").1;
        board.0.insert("postgres 18.6".to_owned(), pip);
        let now = start + Duration::from_secs(19);
        assert_eq!(
            rows(&board, 39, 1, now),
            ["postgres 18.6  / progress unknown, 19 s"]
        );
        assert_eq!(rows(&board, 19, 1, now), ["postgres 18.6  / ?%"]);
    }

    #[test]
    fn columns_are_aligned_and_versions_short() {
        let start = Instant::now();
        let now = start + Duration::from_secs(7);
        let mut board = board(start);
        let seen = rows(&board, 79, 1, now);
        assert_eq!(
            seen,
            [
                "ampctl v0.0.36-nightly.20260313  / 0 bytes  stalled 7 s",
                "ampd v0.0.36-nightly.20260313    / npm downloads it, progress unknown, 7 s",
                "postgres 18.4                    [=====>      ]  46%      10/22 MiB     3 MiB/s",
            ]
        );
        board.take(
            &Event::Step {
                name: "postgres 18.4".to_owned(),
                phase: Phase::Proving,
            },
            now,
        );
        board.0.retain(|name, _| name.starts_with("postgres"));
        assert_eq!(
            rows(&board, 79, 0, now),
            ["postgres 18.4  | checking that it runs"]
        );
        assert_eq!(rows(&board, 19, 0, now), ["postgres 18.4  | c…"]);
    }
}
