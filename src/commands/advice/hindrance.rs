//! Advice on a host that no build can run on.

use super::OPEN_FILES;
#[cfg(unix)]
use crate::hindrance::Limited;
use crate::{
    exit::Exit,
    fs::{is_forbidden_call, is_out_of_files},
    hindrance::Hindrance,
    postgres::host_fault::HostFault,
};

impl Hindrance {
    /// The exit code of a command that fails so.
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NoExec { .. } | Self::FileSystem { .. } => Exit::Disk,
            Self::Path { .. } => Exit::Usage,
            Self::NoNull(_) | Self::NoShell(_) | Self::NoProc | Self::NoProcess(_) | Self::NoFile(_) => {
                Exit::Failed
            }
            #[cfg(unix)]
            Self::Limit(_) => Exit::Failed,
            Self::User(cause) => cause.exit_code(),
        }
    }

    /// The remedy.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoExec { place } => format!(
                "choose a home elsewhere with `AMPUP_HOME` or `--home`, or, as root, `mount -o remount,exec` what `{place}` is on"
            ),
            Self::FileSystem { .. } => {
                "choose a home on a file system of this system's own with `AMPUP_HOME` or `--home`".to_owned()
            }
            Self::Path { .. } => {
                "choose a home with a plainer path, with `AMPUP_HOME` or `--home`".to_owned()
            }
            Self::NoNull(cause) if is_out_of_files(cause) => OPEN_FILES.to_owned(),
            Self::NoNull(_) => "as root: `rm -f /dev/null && mknod -m 666 /dev/null c 1 3`".to_owned(),
            Self::NoShell(_) => "install a shell as `/bin/sh`, or choose an image that has one".to_owned(),
            Self::NoProc => "as root: `mount -t proc proc /proc`".to_owned(),
            Self::NoProcess(cause) if is_forbidden_call(cause) => HostFault::Forbidden.hint().to_owned(),
            Self::NoProcess(_) => {
                "end some processes, or raise the limit: `ulimit -u`, or the container's `--pids-limit`"
                    .to_owned()
            }
            Self::NoFile(_) => OPEN_FILES.to_owned(),
            #[cfg(unix)]
            Self::Limit(low) => match low.what {
                Limited::Memory => "`ulimit -v unlimited`".to_owned(),
                Limited::Data => "`ulimit -d unlimited`".to_owned(),
                Limited::GroupMemory => {
                    "give it more: the container's `--memory`, or the service's `MemoryMax=`".to_owned()
                }
                Limited::OpenFiles => OPEN_FILES.to_owned(),
                Limited::FileSize => "`ulimit -f unlimited`".to_owned(),
                Limited::Stack => HostFault::Stack.hint().to_owned(),
            },
            Self::User(cause) => return cause.hint(),
        };
        Some(text)
    }
}
