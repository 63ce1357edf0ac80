//! Removal of ampup from Windows: its entry in the user's PATH, which install.ps1 made, and the running program itself, which
//! cannot be deleted before it ends. Both are done by PowerShell, which every Windows has.

use std::{
    io,
    process::{Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::shell::{Shell, quote};

/// Takes `bin` out of the user's PATH in the registry; everything else in it stays, unexpanded.
pub fn path_script(bin: &Utf8Path) -> String {
    let bin = quote(Shell::PowerShell, bin.as_str());
    format!(
        "$ErrorActionPreference = 'Stop'
$key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
if ($key -and ($key.GetValueNames() -contains 'Path')) {{
    $kind = $key.GetValueKind('Path')
    $old = [string] $key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
    $new = @($old -split ';' | Where-Object {{ $_ -ne {bin} }}) -join ';'
    if (($new -cne $old) -and $new) {{ $key.SetValue('Path', $new, $kind) }}
    if (-not $new) {{ $key.DeleteValue('Path') }}
    $key.Close()
    [Environment]::SetEnvironmentVariable('AMPUP_NOT_A_VARIABLE', $null, 'User')
}}
"
    )
}

/// Waits for a process to end, then removes what it could not remove, and `home` if it is empty.
pub fn removal_script(process: u32, left: &[Utf8PathBuf], home: &Utf8Path) -> String {
    let word = |path: &Utf8Path| quote(Shell::PowerShell, path.as_str());
    let left: Vec<String> = left.iter().map(|path| word(path)).collect();
    let home = word(home);
    format!(
        "Wait-Process -Id {process} -ErrorAction SilentlyContinue
foreach ($path in @({})) {{ Remove-Item -LiteralPath $path -Recurse -Force -ErrorAction SilentlyContinue }}
if (-not (Get-ChildItem -LiteralPath {home} -Force -ErrorAction SilentlyContinue)) {{
    Remove-Item -LiteralPath {home} -Force -ErrorAction SilentlyContinue
}}
",
        left.join(", ")
    )
}

/// Runs a script to its end.
///
/// # Errors
/// When PowerShell cannot be started, or the script fails.
pub fn run(script: &str) -> io::Result<()> {
    let ended = powershell(script).output()?;
    if ended.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
    ))
}

/// Starts a script that goes on after this program.
///
/// # Errors
/// When PowerShell cannot be started.
pub fn start(script: &str) -> io::Result<()> {
    powershell(script).spawn().map(|_| ())
}

fn powershell(script: &str) -> Command {
    let mut command = Command::new("powershell");
    command
        .args(["-NoProfile", "-NonInteractive", "-Command", script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}
