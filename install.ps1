# Installs ampup, the installer and component manager of Amp, on Windows (PowerShell 5.1 and 7).
#
#     irm https://github.com/edgeandnode/ampup/releases/latest/download/install.ps1 | iex
#
# With options:
#
#     & ([scriptblock]::Create((irm https://github.com/edgeandnode/ampup/releases/latest/download/install.ps1))) -Yes
#
# From a file, where the execution policy does not allow scripts:
#
#     powershell -ExecutionPolicy Bypass -File install.ps1
#
# Everything below `param` is one block: PowerShell parses all of it before it runs any, so a download that was cut does
# nothing. Exit codes are ampup's own: 0 done, 1 failed, 2 usage, 3 no such version, 4 integrity, 5 network, 7 disk.

# Each option also as an environment variable: AMPUP_YES=1, AMPUP_VERSION, AMPUP_HOME, AMPUP_NO_MODIFY_PATH=1,
# AMPUP_COMPONENT="A B", AMPUP_DRY_RUN=1, AMPUP_MIRROR.
param(
    [switch] $Yes,
    [string] $Version = '',
    # $Home is PowerShell's own and read-only.
    [Alias('Home')] [string] $AmpupHome = '',
    [switch] $NoModifyPath,
    [string[]] $Component = @(),
    [switch] $DryRun,
    [string] $Mirror = '',
    [switch] $Help
)

& {
# A release fills these three (release/assemble). As they stand in the repository, the newest release is taken, and its
# checksum is read from the file beside the binary.
$Releases = 'https://github.com/edgeandnode/ampup/releases'
$Pinned = ''
$Sums = ''

$ErrorActionPreference = 'Stop'
# The progress bar of PowerShell 5.1 makes downloads many times slower.
$ProgressPreference = 'SilentlyContinue'
# Windows PowerShell 5.1 starts with what .NET preferred in its day.
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

$script:work = $null

function Remove-Work {
    if ($script:work -and (Test-Path -LiteralPath $script:work)) {
        Remove-Item -LiteralPath $script:work -Recurse -Force -ErrorAction SilentlyContinue
    }
}

# `exit` would close the window of someone who piped this into iex; there an error is thrown instead.
function Stop-Install([int] $Code, [string] $Message, [string] $Hint = '') {
    Remove-Work
    [Console]::Error.WriteLine("error: $Message")
    if ($Hint) { [Console]::Error.WriteLine("hint: $Hint") }
    if ($PSCommandPath) { exit $Code }
    $global:LASTEXITCODE = $Code
    throw "ampup was not installed: $Message"
}

# Whether a variable says yes; the program reads such variables alike.
function Test-On([string] $Name) {
    $value = "$([Environment]::GetEnvironmentVariable($Name))"
    if ($value -in @('1', 'true', 'yes', 'on')) { return $true }
    if ($value -in @('', '0', 'false', 'no', 'off')) { return $false }
    Stop-Install 2 "``$Name`` is ``$value``, which is neither yes nor no" 'set it to 1, true, yes or on, or to 0, false, no or off'
}

# Puts the file $base/$Name into the work directory.
function Get-ReleaseFile([string] $Name) {
    $into = Join-Path $script:work $Name
    $address = "$base/$Name"
    try {
        if ($base.StartsWith('file:///')) {
            Copy-Item -LiteralPath (Join-Path ([Uri] $base).LocalPath $Name) -Destination $into
        } else {
            Invoke-WebRequest -UseBasicParsing -Uri $address -OutFile $into -MaximumRedirection 5 -TimeoutSec 600
        }
    } catch {
        $response = $_.Exception.PSObject.Properties['Response']
        $status = if ($response -and $response.Value) { [int] $response.Value.StatusCode } else { 0 }
        $isMissing = ($status -in @(404, 410)) -or ($_.Exception -is [System.Management.Automation.ItemNotFoundException])
        if ($isMissing -and $mirrored.StartsWith('file:///') -and -not (Test-Path -LiteralPath ([Uri] $mirrored).LocalPath)) {
            Stop-Install 5 "$mirrored does not exist" '-Mirror takes another place'
        }
        if ($isMissing -and $wanted) {
            $hint = "$Releases lists them all"
            if ($Version -or $env:AMPUP_VERSION) {
                $hint = "leave -Version out for the newest; $hint"
            } elseif ($mirrored) {
                $hint = '-Mirror takes another place'
            }
            Stop-Install 3 "there is no ampup $wanted for $target in $base" $hint
        }
        if ($isMissing -and $status) { Stop-Install 5 "$address was not found ($status)" }
        if ($isMissing) { Stop-Install 5 "$address does not exist" '-Mirror takes another place' }
        Stop-Install 5 "cannot download ${address}: $($_.Exception.Message)" '-Mirror takes another place'
    }
    return $into
}

# Puts a directory first on the user's PATH, in the registry. [Environment] would write %VARIABLES% out; the kind of the
# value and everything in it stay as they are.
function Add-UserPath([string] $Directory) {
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    if (-not $key) { $key = [Microsoft.Win32.Registry]::CurrentUser.CreateSubKey('Environment') }
    try {
        $kind = [Microsoft.Win32.RegistryValueKind]::ExpandString
        if ($key.GetValueNames() -contains 'Path') { $kind = $key.GetValueKind('Path') }
        $old = [string] $key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
        if (($old -split ';') -contains $Directory) { return $false }
        $new = if ($old) { "$Directory;$old" } else { $Directory }
        $key.SetValue('Path', $new, $kind)
    } finally {
        $key.Close()
    }
    # Removing a variable that is not there tells every window that the environment changed (WM_SETTINGCHANGE).
    [Environment]::SetEnvironmentVariable('AMPUP_NOT_A_VARIABLE', $null, 'User')
    return $true
}

if ($Help) {
    Write-Output 'install.ps1 [-Yes] [-Version V] [-Home DIR] [-NoModifyPath] [-Component SPEC,...] [-DryRun] [-Mirror URL]'
    return
}

# What the user wants.
$yes = $Yes.IsPresent -or (Test-On 'AMPUP_YES')
$keepPath = $NoModifyPath.IsPresent -or (Test-On 'AMPUP_NO_MODIFY_PATH')
$dry = $DryRun.IsPresent -or (Test-On 'AMPUP_DRY_RUN')
$wanted = if ($Version) { $Version } elseif ($env:AMPUP_VERSION) { $env:AMPUP_VERSION } else { $Pinned }
$wanted = $wanted -replace '^v', ''
if ($wanted -eq 'latest') { $wanted = '' }
if ($wanted -notmatch '^[0-9A-Za-z.+-]*$') { Stop-Install 2 "not a version: $wanted" }
$mirrored = if ($Mirror) { $Mirror } else { "$env:AMPUP_MIRROR" }
$components = @($Component) + @("$env:AMPUP_COMPONENT" -split '\s+') | Where-Object { $_ }
foreach ($one in $components) {
    if ($one -notmatch '^[0-9A-Za-z.@+=<>,_-]+$') { Stop-Install 2 "not a component: $one" 'for example -Component postgres@18' }
}
$ampup = if ($AmpupHome) { $AmpupHome } elseif ($env:AMPUP_HOME) { $env:AMPUP_HOME } else { Join-Path "$env:USERPROFILE" '.ampup' }
# A relative path in the environment would mean another home in every directory.
if ($AmpupHome -and -not [IO.Path]::IsPathRooted($ampup)) { $ampup = Join-Path "$PWD" $ampup }
$ampup = $ampup -replace '(?<=[^:\\/])[\\/]+$', ''
if (-not [IO.Path]::IsPathRooted($ampup)) { Stop-Install 2 "ampup's home must be an absolute path: $ampup" }
if ($ampup -match '[;"%]') { Stop-Install 2 "a home with a semicolon, a quote or a percent sign cannot be put on PATH: $ampup" }

# Where this is.
if ($env:OS -ne 'Windows_NT') { Stop-Install 1 'this script is for Windows' 'run install.sh' }
$machine = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
if ($machine -notin @('AMD64', 'ARM64')) { Stop-Install 1 "ampup is not built for Windows on $machine" 'it is built for x86_64' }
if ($machine -eq 'ARM64') { [Console]::Error.WriteLine('note: this is an ARM64 machine; the x86_64 ampup runs under emulation') }
$target = 'x86_64-pc-windows-msvc'
$asset = "ampup-$target.exe"

# Where it comes from.
if ($mirrored) {
    $base = $mirrored.TrimEnd('/')
    if ($wanted -and ($wanted -ne $Pinned)) { $base = "$base/v$wanted" }
} elseif ($wanted) {
    $base = "$Releases/download/v$wanted"
} else {
    $base = "$Releases/latest/download"
}
if ($base -notmatch '^(https://|file:///|http://(127\.0\.0\.1|localhost|\[::1\])[:/])') {
    Stop-Install 2 "neither https://, nor file:///, nor http:// on this machine: $base"
}
# The download lies in the home, or beside one that does not exist yet: what a home is, `init` alone decides.
try {
    $script:work = if (Test-Path -LiteralPath $ampup) { Join-Path $ampup ".bootstrap-$PID" } else { "$ampup.bootstrap-$PID" }
    New-Item -ItemType Directory -Path $script:work | Out-Null
} catch {
    Stop-Install 7 "cannot make ${ampup}: $($_.Exception.Message)" 'choose another place with -Home'
}

# What is believed.
$expected = ''
$size = $null
if ($Sums -and ($wanted -eq $Pinned)) {
    foreach ($line in ($Sums -split "`n")) {
        $words = $line.Trim() -split ' '
        if ($words[0] -eq $target) { $expected = $words[1]; $size = [long] $words[2] }
    }
}
# What will be downloaded, from where, and how large it is; `init` says what will be touched, and asks.
$label = if ($wanted) { $wanted } else { '(the newest version)' }
$shown = ''
if ($null -ne $size) {
    $mib = [Math]::Round($size / 1048576, 1)
    $shown = " ($mib MiB)"
}
if (Test-Path -LiteralPath (Join-Path $ampup 'bin')) {
    [Console]::Error.WriteLine("an ampup is installed in $ampup; this updates or repairs it")
}
[Console]::Error.WriteLine("downloading ampup $label for $target$shown")
[Console]::Error.WriteLine("  from $base")
if (-not ($Sums -and ($wanted -eq $Pinned))) {
    $text = [IO.File]::ReadAllText((Get-ReleaseFile "$asset.sha256"))
    $words = $text.Trim() -split '\s+'
    if (($words.Count -eq 2) -and ($words[1].TrimStart('*') -eq $asset)) { $expected = $words[0] }
}
if ($expected -notmatch '^[0-9a-f]{64}$') { Stop-Install 4 "there is no checksum for $asset in $base" }
$program = Get-ReleaseFile $asset
$length = (Get-Item -LiteralPath $program).Length
if (($null -ne $size) -and ($length -ne $size)) { Stop-Install 4 "$base/$asset has $length bytes instead of $size; it was deleted" }
$hasher = [Security.Cryptography.SHA256]::Create()
$stream = [IO.File]::OpenRead($program)
try { $digest = ([BitConverter]::ToString($hasher.ComputeHash($stream)) -replace '-', '').ToLowerInvariant() } finally { $stream.Dispose() }
if ($digest -cne $expected) {
    Stop-Install 4 "the sha256 of $base/$asset is $digest instead of $expected; it was deleted" 'try again; if it stays so, report it'
}

# ampup itself does the rest; on Windows PATH is the registry's, and so it is set here.
$arguments = @('init', '--home', $ampup, '--no-modify-path')
if ($Version -or $env:AMPUP_VERSION) { $arguments += '--allow-downgrade' }
if ($yes) { $arguments += '--yes' }
if ($dry) { $arguments += '--dry-run' }
foreach ($one in $components) { $arguments += @('--component', $one) }
if ($mirrored) { $arguments += @('--mirror', $mirrored) }
& $program @arguments
$code = $LASTEXITCODE
if ($code -ne 0) { Stop-Install $code "ampup init ended with $code" }
$bin = Join-Path $ampup 'bin'
if ($dry -and -not $keepPath) {
    Write-Output "would put $bin first on PATH: the value Path of HKEY_CURRENT_USER\Environment"
} elseif (-not $keepPath) {
    if (Add-UserPath $bin) { [Console]::Error.WriteLine("$bin is first on your PATH now; new windows find ampup.") }
    if (-not (($env:Path -split ';') -contains $bin)) { $env:Path = "$bin;$env:Path" }
}
Remove-Work
[Console]::Error.WriteLine('note: ampd and ampctl have no Windows build; on Windows ampup installs postgres. For Amp itself use WSL.')
}
