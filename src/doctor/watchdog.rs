//! A watchdog over what is tried in a scratch directory: when we end, however we end, the program that is tried ends too, and
//! the directory goes.
//!
//! A shell waits at the end of a pipe that only we hold, as that of `postgres/run/tether.rs` does, and is told which process
//! group to end. Should it be killed too, the next doctor there or `ampup prune` removes the directory.

use std::{
    io::{self, Write as _},
    process::Child,
};

use camino::Utf8Path;

use crate::postgres::run::tether::watching_shell;

/// The script of the watching shell: `$1` is the scratch directory. What is asked to end, and does not, is killed.
const WATCH: &str = r#"
group=
while read -r word; do group=$word; done
if [ -n "$group" ]; then
    kill -s TERM -- "-$group" 2>/dev/null
    for try in 1 2 3 4 5; do
        kill -s 0 -- "-$group" 2>/dev/null || break
        sleep 1
    done
    kill -s KILL -- "-$group" 2>/dev/null
fi
for try in 1 2 3 4 5; do
    rm -rf -- "$1" 2>/dev/null && exit
    sleep 1
done
"#;

/// The watching shell. It does nothing once this value is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over a scratch directory.
    pub(super) fn over(scratch: &Utf8Path) -> io::Result<Self> {
        let shell = watching_shell(WATCH, &[scratch.as_str()]).spawn()?;
        Ok(Self { shell })
    }

    /// Watches over a program too, which leads its process group; `None`: it has ended.
    pub(super) fn watch(&mut self, leader: Option<u32>) {
        let line = leader.map_or_else(String::new, |leader| leader.to_string());
        if let Some(pipe) = &mut self.shell.stdin {
            // Without the shell, the next doctor clears up.
            let _ = writeln!(pipe, "{line}");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
