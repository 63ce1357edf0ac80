//! A small file system of a test's own, whose size changes while it is used. Only root can make one.

use std::process::Command;

use ampup::fs::space;
use camino::{Utf8Path, Utf8PathBuf};

use super::{postgres::run_as, programs};

/// A tmpfs, which goes with the value.
pub(crate) struct SmallDisk {
    at: Utf8PathBuf,
    size: u64,
}

impl SmallDisk {
    /// Mounts one of so many bytes for whoever runs the program. `None` where that is not allowed.
    pub(crate) fn mount(at: &Utf8Path, size: u64) -> Option<Self> {
        let user = run_as().map_or_else(String::new, |user| format!(",uid={},gid={}", user.uid, user.gid));
        let disk = Self {
            at: at.to_owned(),
            size,
        };
        let is_mounted = disk.with(&format!("size={size},mode=0755{user}"));
        if !is_mounted {
            programs::skip("no file system can be mounted here");
        }
        is_mounted.then_some(disk)
    }

    fn with(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "none", self.at.as_str()]);
        command.output().is_ok_and(|output| output.status.success())
    }

    /// Leaves so many bytes free, although others write to it meanwhile.
    pub(crate) fn leave(&self, bytes: u64) {
        self.grow();
        for _ in 0..100 {
            let free = space::free(&self.at).expect("asked").expect("known");
            if self.with(&format!("remount,size={}", self.size - free + bytes)) {
                return;
            }
        }
        panic!("`{}` cannot be made smaller", self.at);
    }

    /// Nobody writes to it any more.
    pub(crate) fn close(&self) {
        assert!(self.with("remount,ro"));
    }

    /// Gives it its whole size again.
    pub(crate) fn grow(&self) {
        assert!(self.with(&format!("remount,size={}", self.size)));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", self.at.as_str()]).status();
    }
}
