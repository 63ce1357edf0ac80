# Installs from a release's files with its own install.ps1, and looks at what came of it. Run by the workflows in
# Windows PowerShell 5.1 and in PowerShell 7; it changes the user's PATH.
#
#     release/try.ps1 DIRECTORY
param([Parameter(Mandatory)] [string] $Directory)

$ErrorActionPreference = 'Stop'
$mirror = ([Uri] (Resolve-Path -LiteralPath $Directory).Path).AbsoluteUri
$install = [scriptblock]::Create([IO.File]::ReadAllText((Resolve-Path "$Directory/install.ps1").Path))
$ampup = Join-Path $env:USERPROFILE '.ampup'
$before = [Environment]::GetEnvironmentVariable('Path', 'User')

& $install -Yes -DryRun -Mirror $mirror
if (Test-Path -LiteralPath $ampup) { throw 'a dry run left something' }
if ([Environment]::GetEnvironmentVariable('Path', 'User') -ne $before) { throw 'a dry run changed PATH' }

# Twice: the second one repairs, and PATH has one entry.
& $install -Yes -Mirror $mirror
& $install -Yes -Mirror $mirror
& (Join-Path $ampup 'bin/ampup') --version
if ($LASTEXITCODE -ne 0) { throw 'ampup does not run' }
$entries = [Environment]::GetEnvironmentVariable('Path', 'User') -split ';'
if ($entries[0] -ne (Join-Path $ampup 'bin')) { throw "not first on PATH: $entries" }
if (@($entries | Where-Object { $_ -eq $entries[0] }).Count -ne 1) { throw "twice on PATH: $entries" }

# Away without a trace: the running program goes a moment after it ended.
& (Join-Path $ampup 'bin/ampup') self uninstall --yes
if ($LASTEXITCODE -ne 0) { throw 'it cannot be uninstalled' }
for ($second = 0; ($second -lt 30) -and (Test-Path -LiteralPath $ampup); $second++) { Start-Sleep -Seconds 1 }
if (Test-Path -LiteralPath $ampup) { throw "left: $(Get-ChildItem -LiteralPath $ampup -Recurse -Force)" }
if ([Environment]::GetEnvironmentVariable('Path', 'User') -ne $before) { throw 'PATH is not as it was' }

# A file that is not the expected one is refused.
[IO.File]::AppendAllText((Resolve-Path "$Directory/ampup-x86_64-pc-windows-msvc.exe").Path, 'x')
$refused = $false
try { & $install -Yes -Mirror $mirror } catch { $refused = ($LASTEXITCODE -eq 4) }
if (-not $refused) { throw 'a changed file was installed' }
$global:LASTEXITCODE = 0
