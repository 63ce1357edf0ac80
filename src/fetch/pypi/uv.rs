//! uv in pip's place: it unpacks a wheel by itself, and is given the digest to check.

use camino::Utf8PathBuf;

use super::{PYTHON, REQUIREMENTS, Wheel, failure};
use crate::fetch::{
    Wire,
    packages::{self, Failure, PackageClient, Room, Start},
};

impl Wire {
    /// Runs `uv pip install` and gives the directory that holds what was in the wheel.
    pub(super) async fn uv(
        &self,
        wheel: Wheel<'_>,
        room: &Room,
        start: &mut Start<'_>,
    ) -> Result<Utf8PathBuf, Failure> {
        let name = if cfg!(windows) { "uv.exe" } else { "uv" };
        let program = self.program(&[name], |_| true).ok_or(Failure::Missing)?;
        start.with(PackageClient::Uv)?;
        let (out, temporary) = (room.empty("out")?, room.empty("tmp")?);
        let mut command = self.command(&program, room);
        command
            .args([
                "pip",
                "install",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--require-hashes",
            ])
            .args([
                "--no-cache",
                "--no-progress",
                "--color",
                "never",
                "--link-mode",
                "copy",
            ])
            .args(["--python-version", PYTHON, "-r", REQUIREMENTS, "--target"])
            .arg(&out);
        if let Some(platform) = uv_platform(wheel.platform) {
            command.args(["--python-platform", &platform]);
        }
        for (name, value) in [
            ("UV_PYTHON_DOWNLOADS", "never"),
            ("UV_HTTP_TIMEOUT", "15"),
            ("UV_HTTP_RETRIES", "1"),
            // The operating system's authorities; the first is what older ones know.
            ("UV_NATIVE_TLS", "1"),
            ("UV_SYSTEM_CERTS", "1"),
        ] {
            command.env(name, value);
        }
        for name in ["TMPDIR", "TEMP", "TMP"] {
            command.env(name, &temporary);
        }
        let output = packages::run(command, None, &self.options.interrupt).await?;
        if output.status.success() {
            Ok(out)
        } else {
            Err(failure(&output, &[], room))
        }
    }
}

/// Returns uv's name of a wheel's platform; `None` if uv does not know it, and the host's own will do.
fn uv_platform(tag: &str) -> Option<String> {
    if let Some(rest) = tag.strip_prefix("manylinux_") {
        let mut parts = rest.splitn(3, '_');
        let (major, minor, machine) = (parts.next()?, parts.next()?, parts.next()?);
        return Some(format!("{machine}-manylinux_{major}_{minor}"));
    }
    match tag {
        "win_amd64" => Some("x86_64-pc-windows-msvc".to_owned()),
        _ if tag.starts_with("macosx_") && tag.ends_with("_arm64") => Some("aarch64-apple-darwin".to_owned()),
        _ if tag.starts_with("macosx_") && tag.ends_with("_x86_64") => Some("x86_64-apple-darwin".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::every;

    #[test]
    fn uv_has_names_of_its_own_for_platforms() {
        let rows = [
            ("manylinux_2_17_aarch64", Some("aarch64-manylinux_2_17")),
            ("macosx_11_0_arm64", Some("aarch64-apple-darwin")),
            ("macosx_10_9_x86_64", Some("x86_64-apple-darwin")),
            ("win_amd64", Some("x86_64-pc-windows-msvc")),
            ("manylinux_2", None),
            ("any", None),
        ];
        every(rows, |(tag, name)| {
            assert_eq!(uv_platform(tag).as_deref(), name, "{tag}");
        });
    }
}
