//! Tying a server to us: it ends when we end, however we end. The server of a cluster that is being changed is of no use
//! without us, and takes no writes, so that nobody else shall meet it.
//!
//! A shell waits at the end of a pipe that only we hold. When we are gone, even by a kill, it reads the pipe's end and asks
//! the server for a fast shutdown, which loses nothing. (Linux could do so by itself, with PR_SET_PDEATHSIG; others cannot.)
//! Should the shell be killed too, the next start ends the server (`Cluster::end_leftover`); on Windows, which has no such
//! shell, that is all there is.

use std::io;
#[cfg(unix)]
use std::process::{Child, Command, Stdio};

use camino::Utf8Path;

use crate::postgres::user::OsUser;

/// The script of the watching shell: `$1` is the cluster, `$2` the text that only the server has on its command line. The
/// pid file only says where to look. A server that has only just begun has not written it.
#[cfg(unix)]
const WATCH: &str = r#"
read -r _
for try in 1 2 3 4 5 6 7 8 9 10; do
    if read -r pid <"$1/postmaster.pid" &&
        { grep -qF "$2" "/proc/$pid/cmdline" || ps -o command= -p "$pid" | grep -qF "$2"; }; then
        kill -INT "$pid"
        exit
    fi
    sleep 1
done
"#;

/// A server that ends with this value. One that has ended before is no concern of it.
#[derive(Debug)]
pub(crate) struct Tether {
    setting: String,
    #[cfg(unix)]
    shell: Child,
}

impl Tether {
    /// Ties the server that is started next in this cluster, with this value's setting, to us.
    pub(crate) fn new(cluster: &Utf8Path, run_as: Option<&OsUser>) -> io::Result<Self> {
        let now = jiff::Timestamp::now().as_nanosecond();
        let setting = format!("ampup.tied_to={}-{now}", std::process::id());
        #[cfg(unix)]
        let shell = watch(cluster, &setting, run_as)?;
        #[cfg(windows)]
        let _ = (cluster, run_as);
        Ok(Self {
            setting,
            #[cfg(unix)]
            shell,
        })
    }

    /// Unties a server that has ended: nobody needs to look for it.
    pub(crate) fn release(self) {
        #[cfg(unix)]
        {
            let mut tether = self;
            let _ = tether.shell.kill();
            let _ = tether.shell.wait();
        }
    }

    /// Returns the setting that the server must have on its command line.
    pub(crate) fn setting(&self) -> &str {
        &self.setting
    }
}

#[cfg(unix)]
impl Drop for Tether {
    fn drop(&mut self) {
        // The end of its input. It is not waited for: it may have to look for a server that never came.
        drop(self.shell.stdin.take());
        let _ = self.shell.try_wait();
    }
}

#[cfg(unix)]
fn watch(cluster: &Utf8Path, setting: &str, run_as: Option<&OsUser>) -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;

    let mut command = watching_shell(WATCH, &[cluster.as_str(), setting]);
    if let Some(user) = run_as {
        command.uid(user.uid).gid(user.gid);
    }
    command.spawn()
}

/// A shell that outlives us and learns of our end: its input is a pipe that nobody else holds.
#[cfg(unix)]
pub(crate) fn watching_shell(script: &str, arguments: &[&str]) -> Command {
    use std::os::unix::process::CommandExt as _;

    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, "ampup"])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for us.
        .process_group(0);
    command
}
