#!/bin/sh
# Installs ampup, the installer and component manager of Amp.
#
#     curl --proto '=https' --tlsv1.2 -sSfL https://github.com/edgeandnode/ampup/releases/latest/download/install.sh | sh
#
# With options:    … | sh -s -- --home /opt/amp --component postgres      (`--help` lists them)
#
# Everything below is one brace group: a shell runs none of it before it has read the closing brace, so a download that
# was cut at any byte does nothing. Works in dash, bash, busybox ash and zsh. Exit codes are ampup's own: 0 done,
# 1 failed, 2 usage, 3 no such version, 4 integrity, 5 network, 7 disk.
{

# A release fills these four (release/assemble). As they stand in the repository, the newest release is taken, and its
# checksum is read from the file beside the binary.
RELEASES='https://github.com/edgeandnode/ampup/releases'
VERSION=''
SUMS=''
KEYS=''

# The glibc that the gnu builds need; older or none takes the static musl build.
GLIBC_FLOOR='2.35'

set -u
if [ -n "${ZSH_VERSION-}" ]; then emulate sh; fi
unset CDPATH
IFS=' 	
'

say() {
    printf '%s\n' "$*" >&2
}

# fail CODE MESSAGE [HINT]...
fail() {
    code=$1
    say "error: $2"
    shift 2
    for line; do say "hint: $line"; done
    exit "$code"
}

usage() {
    cat <<'EOF'
Installs ampup, the installer and component manager of Amp.

    sh install.sh [OPTIONS]

Options, each also as an environment variable:
    -y, --yes            do not ask; without it, and without a terminal,     AMPUP_YES=1
                         the shells' files are left alone
    --version VERSION    this version of ampup, not the newest               AMPUP_VERSION
    --home DIR           where ampup lives, instead of ~/.ampup              AMPUP_HOME
    --no-modify-path     leave the shells' files alone                       AMPUP_NO_MODIFY_PATH=1
    --component SPEC     install this too, as `ampup install SPEC` does      AMPUP_COMPONENT="A B"
                         afterwards; may be repeated
    --dry-run            download and verify, list every file and line that  AMPUP_DRY_RUN=1
                         would be touched, keep nothing
    --mirror URL         the directory with the release's files (https://,   AMPUP_MIRROR
                         file://, http:// on this machine); a --version
                         is looked for below it, in vVERSION
    -h, --help           this text
EOF
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# ---- What the user wants ---------------------------------------------------------------------------------------------

# switch VARIABLE VALUE: prints 1 for a yes, and nothing for a no. The program reads such variables alike.
switch() {
    case $2 in
        1 | [Tt][Rr][Uu][Ee] | [Yy][Ee][Ss] | [Oo][Nn]) printf 1 ;;
        '' | 0 | [Ff][Aa][Ll][Ss][Ee] | [Nn][Oo] | [Oo][Ff][Ff]) ;;
        *)
            fail 2 "\`$1\` is \`$2\`, which is neither yes nor no" \
                "set it to \`1\`, \`true\`, \`yes\` or \`on\`, or to \`0\`, \`false\`, \`no\` or \`off\`"
            ;;
    esac
}

is_on() {
    [ -n "$1" ]
}

# value OPTION COUNT: an option that needs a value has one.
value() {
    [ "$2" -gt 0 ] || fail 2 "\`$1\` needs a value" "\`sh install.sh --help\` lists the options"
}

parse() {
    yes=$(switch AMPUP_YES "${AMPUP_YES-}") || exit
    # Whoever names a version may mean an older one.
    asked=${AMPUP_VERSION-}
    version=${AMPUP_VERSION-$VERSION}
    home=${AMPUP_HOME-"${HOME:+$HOME/.ampup}"}
    named=${AMPUP_HOME+AMPUP_HOME}
    no_modify_path=$(switch AMPUP_NO_MODIFY_PATH "${AMPUP_NO_MODIFY_PATH-}") || exit
    components=${AMPUP_COMPONENT-}
    dry_run=$(switch AMPUP_DRY_RUN "${AMPUP_DRY_RUN-}") || exit
    mirror=${AMPUP_MIRROR-}
    while [ $# -gt 0 ]; do
        option=$1
        shift
        # `--option=value` is `--option value`.
        case $option in
            --*=*)
                set -- "${option#*=}" "$@"
                option=${option%%=*}
                case $option in
                    --version | --home | --component | --mirror) ;;
                    *) fail 2 "unknown option: \`$option=$1\`" "\`sh install.sh --help\` lists the options" ;;
                esac
                ;;
        esac
        case $option in
            -y | --yes) yes=1 ;;
            --no-modify-path) no_modify_path=1 ;;
            --dry-run) dry_run=1 ;;
            --version) value "$option" $#; version=$1; asked=$1; shift ;;
            --home) value "$option" $#; home=$1; named=$option; shift ;;
            --component) value "$option" $#; components="$components $1"; shift ;;
            --mirror) value "$option" $#; mirror=$1; shift ;;
            -h | --help) usage; exit 0 ;;
            --install-dir) fail 2 "\`--install-dir\` is now \`--home\`" ;;
            --no-install-latest) fail 2 "\`--no-install-latest\` is gone: only what \`--component\` names is installed" ;;
            --github-token) fail 2 "\`--github-token\` is gone: nothing here asks the GitHub API" ;;
            *) fail 2 "unknown option: \`$option\`" "\`sh install.sh --help\` lists the options" ;;
        esac
    done

    version=${version#v}
    case $version in
        latest) version='' ;;
        *[!0-9A-Za-z.+-]*) fail 2 "not a version: \`$version\`" ;;
    esac
    # The names are handed on one by one; nothing in them may be more than a word.
    case $components in
        *[!0-9A-Za-z.@+=\<\>,_\ -]*) fail 2 "not a component: \`$components\`" "for example \`--component postgres@18\`" ;;
    esac
    case $named$home in
        '') fail 2 "\`HOME\` is not set, so ampup's home cannot be determined" "name one with \`--home DIR\`" ;;
        "$named") fail 2 "\`$named\` is empty; ampup's home must be an absolute path" ;;
    esac
    # A relative path in the environment would mean another home in every directory.
    case $named:$home in
        --home:/*) ;;
        --home:*) home=$PWD/$home ;;
    esac
    home=${home%/}
    newline='
'
    case $home in
        *:* | *"$newline"*) fail 2 "a home with a colon or a line break cannot be put on PATH: \`$home\`" ;;
        /*) ;;
        *) fail 2 "ampup's home must be an absolute path: \`$home\`" ;;
    esac
}

# ---- Where this is ---------------------------------------------------------------------------------------------------

unsupported() {
    fail 1 "ampup is not built for $1" "it is built for x86_64 and aarch64: Linux, macOS, and Windows (install.ps1, x86_64)"
}

# Sets `target`.
find_target() {
    system=$(uname -s) || fail 1 "\`uname\` does not say what this system is"
    machine=$(uname -m) || fail 1 "\`uname\` does not say what this machine is"
    case $machine in
        x86_64 | amd64) machine=x86_64 ;;
        aarch64 | arm64) machine=aarch64 ;;
        *) unsupported "$system on $machine" ;;
    esac
    case $system in
        Linux)
            [ "$(uname -o 2>/dev/null)" != Android ] || unsupported 'Android'
            is_64_bit || unsupported "a 32-bit userland on a 64-bit kernel ($machine)"
            if has_glibc; then target=$machine-unknown-linux-gnu; else target=$machine-unknown-linux-musl; fi
            ;;
        Darwin)
            # Under Rosetta a shell believes to be on x86_64.
            if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then machine=aarch64; fi
            target=$machine-apple-darwin
            ;;
        MINGW* | MSYS* | CYGWIN* | Windows_NT)
            fail 1 "this script is not for Windows" "run install.ps1 in PowerShell"
            ;;
        *) unsupported "$system on $machine" ;;
    esac
}

# The fifth byte of an executable says 1 for 32 bit. A doubt counts as 64.
is_64_bit() {
    for program in /proc/self/exe /bin/sh; do
        case $(head -c 5 "$program" 2>/dev/null) in
            *ELF"$(printf '\001')") return 1 ;;
            *ELF"$(printf '\002')") return 0 ;;
        esac
    done
}

has_glibc() {
    # `glibc 2.36`; nothing where the C library is another.
    found=$(getconf GNU_LIBC_VERSION 2>/dev/null) || return 1
    found=${found#glibc }
    case $found in
        [0-9]*.[0-9]*) ;;
        *) return 1 ;;
    esac
    found_minor=${found#*.}
    found_minor=${found_minor%%[!0-9]*}
    [ "${found%%.*}" -gt "${GLIBC_FLOOR%%.*}" ] ||
        { [ "${found%%.*}" -eq "${GLIBC_FLOOR%%.*}" ] && [ "$found_minor" -ge "${GLIBC_FLOOR#*.}" ]; }
}

# ---- Fetching --------------------------------------------------------------------------------------------------------

# Sets `base`, the directory with the release's files, and `protocol`, what a redirect may use.
find_base() {
    protocol='=https'
    if [ -z "$mirror" ]; then
        base=$RELEASES/latest/download
        if [ -n "$version" ]; then base=$RELEASES/download/v$version; fi
    else
        base=${mirror%/}
        if [ -n "$version" ] && [ "$version" != "$VERSION" ]; then base=$base/v$version; fi
    fi
    case $base in
        https://*) ;;
        file:///*) ;;
        http://127.0.0.1[:/]* | http://localhost[:/]* | http://'[::1]'[:/]*) protocol='=http,https' ;;
        *) fail 2 "neither https://, nor file:///, nor http:// on this machine: \`$base\`" ;;
    esac
}

# Sets `client` to the program that downloads.
find_client() {
    client=''
    snap=''
    case $base in
        file://*)
            client=copy
            return
            ;;
    esac
    if have curl; then
        case $(command -v curl) in
            # The snap may write below ~/snap alone, and says nothing when it cannot.
            */snap/*) snap=1 ;;
            *)
                client=curl
                return
                ;;
        esac
    fi
    if have wget; then
        case $(wget --help 2>&1) in
            *BusyBox*) client=busybox ;;
            *) client=wget ;;
        esac
    elif [ -n "$snap" ]; then
        fail 1 "the only downloader here is curl from snap, which cannot write to ampup's home" \
            "install curl or wget with the system's package manager"
    else
        fail 1 "neither curl nor wget is here" "install one with the system's package manager"
    fi
}

# Sets `columns`, the width of the terminal, which curl cannot see in a pipe.
find_columns() {
    columns=$({ stty size </dev/tty; } 2>/dev/null)
    columns=${columns#* }
    # Some consoles have none.
    case $columns in
        '' | 0 | *[!0-9]*) columns=80 ;;
    esac
}

# fetch NAME: puts $base/NAME into $work.
fetch() {
    into=$work/$1
    address=$base/$1
    code=0
    answer=''
    rm -f "$work/said"
    case $client in
        copy)
            [ -e "${address#file://}" ] || answer=none
            if [ -z "$answer" ]; then cp "${address#file://}" "$into" 2>"$work/said" || code=$?; else code=1; fi
            ;;
        curl)
            # Below 21 columns curl draws for 79.
            if [ -t 2 ] && [ "$1" = "$asset" ] && [ "$columns" -gt 20 ]; then
                with_curl --progress-bar || code=$?
            else
                code=1
            fi
            # Without the bar, which comes where curl says why it failed.
            if [ "$code" -ne 0 ]; then
                code=0
                with_curl --silent --retry 3 2>"$work/said" || code=$?
            fi
            # 23: what came could not be written.
            [ "$code" -ne 23 ] || unwritable "$into"
            ;;
        wget)
            # 8: the server refuses; which of the refusals it is, it says in words.
            wget --no-verbose --max-redirect=5 --tries=3 --connect-timeout=10 --read-timeout=60 \
                --output-document="$into" "$address" 2>"$work/said" || code=$?
            case $code:$(cat "$work/said") in
                0:*) ;;
                8:*' 404'* | 8:*' 410'*) answer=404 ;;
            esac
            # 3: a file error.
            [ "$code" -ne 3 ] || unwritable "$into"
            ;;
        busybox)
            case $base in
                https://*)
                    # Many of them do not check certificates. That is no loss where this script knows the checksum.
                    [ "$expected" != '' ] ||
                        fail 5 "busybox's wget may not check whom it talks to" "install curl with the system's package manager"
                    ;;
            esac
            # No -T: with it, the wget of busybox 1.35 crashes.
            wget -q -O "$into" "$address" 2>"$work/said" || code=$?
            case $code:$(cat "$work/said") in
                0:*) ;;
                *' 404'* | *' 410'*) answer=404 ;;
            esac
            ;;
    esac
    if [ "$code" -ne 0 ] || [ ! -s "$into" ]; then
        has_room || unwritable "$into"
        case $answer:$1 in
            404:"$asset" | 410:"$asset" | none:"$asset" | 404:"$asset.sha256" | 410:"$asset.sha256" | none:"$asset.sha256")
                not_there
                ;;
        esac
        fail 5 "cannot download $address$(why)" "check the address in a browser; behind a proxy, set \`https_proxy\`; \`--mirror URL\` takes another place"
    fi
}

# with_curl OPTION...: one download. Sets `answer` to the status.
with_curl() {
    answer=$(COLUMNS=$columns curl --proto "$protocol" --proto-redir "$protocol" --tlsv1.2 --fail --location --max-redirs 5 --show-error \
        --connect-timeout 10 --speed-limit 1024 --speed-time 60 --max-filesize 209715200 \
        --write-out '%{http_code}' --output "$into" "$@" "$address")
}

# Ends with what is not at $address: the whole mirror, this version in it, or the file.
not_there() {
    place=${mirror#file://}
    if [ "$answer" = none ] && [ ! -d "$place" ]; then
        fail 5 "\`$place\` does not exist" "\`--mirror URL\` takes another place"
    fi
    if [ -n "$version" ]; then
        hint="$RELEASES lists them all"
        if [ -n "$asked" ]; then
            hint="leave \`--version\` out for the newest; $hint"
        elif [ -n "$mirror" ]; then
            hint="\`--mirror URL\` takes another place"
        fi
        fail 3 "there is no ampup $version for $target in $base" "$hint"
    fi
    [ "$answer" != none ] || fail 5 "\`${address#file://}\` does not exist" "\`--mirror URL\` takes another place"
    fail 5 "\`$address\` was not found ($answer)"
}

# The last words of the program that downloads, in brackets.
why() {
    [ -r "$work/said" ] || return 0
    said=''
    while read -r line || [ -n "$line" ]; do
        [ -z "$line" ] || said=$line
    done <"$work/said"
    said=${said#"curl: ("[0-9]*") "}
    said=${said#wget: }
    [ -z "$said" ] || printf ' (%s)' "$said"
}

# Whether a small file can still be written.
has_room() {
    { printf '%4096s' '' >"$work/room"; } 2>/dev/null && [ -s "$work/room" ]
}

unwritable() {
    fail 7 "cannot write \`$1\`: the disk is full, or it is not permitted" "choose another place with \`--home DIR\`"
}

# ---- Believing -------------------------------------------------------------------------------------------------------

# Sets `expected` (64 hex digits) and `expected_size`, from this script where it knows them.
expect_pinned() {
    expected=''
    expected_size=''
    if [ -n "$SUMS" ] && [ "$version" = "$VERSION" ]; then
        found=$(printf '%s\n' "$SUMS" | while read -r one digest size; do
            if [ "$one" = "$target" ]; then printf '%s %s' "$digest" "$size"; fi
        done)
        [ -n "$found" ] || unsupported "$target in release $VERSION"
        expected=${found% *}
        expected_size=${found#* }
    fi
}

# The same from the file beside the binary: `<hex>  <name>`.
expect_beside() {
    fetch "$asset.sha256"
    name=''
    read -r expected name <"$work/$asset.sha256" || [ -n "$name" ] || expected=''
    [ "${name#\*}" = "$asset" ] || fail 4 "the checksum file is not about \`$asset\`: $base/$asset.sha256"
}

# Proves that $work/$asset is what was expected. Sets `self` where only the binary itself can tell.
verify() {
    case $expected in
        *[!0-9a-f]*) expected='' ;;
    esac
    [ "${#expected}" -eq 64 ] || fail 4 "there is no checksum for \`$asset\` in $base"
    size=$(($(wc -c <"$work/$asset")))
    if [ -n "$expected_size" ] && [ "$size" -ne "$expected_size" ]; then
        fail 4 "$base/$asset has $size bytes instead of $expected_size; it was deleted" "try again; if it stays so, report it"
    fi
    self=''
    if have sha256sum; then
        digest=$(sha256sum <"$work/$asset")
        digest=${digest%% *}
    elif have shasum; then
        digest=$(shasum -a 256 <"$work/$asset")
        digest=${digest%% *}
    elif have openssl; then
        digest=$(openssl dgst -sha256 <"$work/$asset")
        digest=${digest##*= }
    else
        self=$expected
        digest=$expected
    fi
    [ "$digest" = "$expected" ] || fail 4 "the sha256 of $base/$asset is $digest instead of $expected; it was deleted" \
        "try again; if it stays so, report it"
    verify_signature
}

# Where minisign is here and this script knows the keys, one of them must have signed.
verify_signature() {
    if [ -z "$KEYS" ] || ! have minisign; then return 0; fi
    fetch "$asset.minisig"
    # The comment is signed too: another file, or another release, under this name is refused.
    signed="$asset "
    if [ -n "$version" ]; then signed="$asset $version "; fi
    for key in $KEYS; do
        comment=$(minisign -Q -V -P "$key" -m "$work/$asset" -x "$work/$asset.minisig" 2>/dev/null) || continue
        case "$comment " in
            "$signed"*) return 0 ;;
        esac
    done
    fail 4 "the signature of $base/$asset is not by a key of ampup; it was deleted" "report it"
}

# ---- Doing -----------------------------------------------------------------------------------------------------------

# Makes a directory for the download: $TMPDIR may be on another file system, or mounted noexec. It lies in the home, or
# beside one that does not exist yet: what a home is, `init` alone decides.
make_work() {
    made=0
    work=$home/.bootstrap-$$
    if [ ! -d "$home" ]; then
        work=$home.bootstrap-$$
        made=1
        missing=${home%/*}
        while [ -n "$missing" ] && [ ! -d "$missing" ] && [ ! -L "$missing" ]; do
            made=$((made + 1))
            missing=${missing%/*}
        done
        mkdir -p "${home%/*}/" 2>/dev/null ||
            fail 7 "cannot make \`$home\`: not permitted, or something is in the way" "choose another place with \`--home DIR\`"
    fi
    made_home=$made
    (umask 077 && mkdir "$work") 2>/dev/null || unwritable "$work"
}

# Takes away what this script made. What has something in it by now stays.
# shellcheck disable=SC2317 # called by the trap
clean() {
    if [ -n "$work" ]; then rm -rf "$work"; fi
    directory=$home
    while [ "$made_home" -gt 0 ]; do
        if [ -d "$directory" ]; then rmdir "$directory" 2>/dev/null || return 0; fi
        directory=${directory%/*}
        made_home=$((made_home - 1))
    done
}

# What will be downloaded, from where, and how large it is; `init` says what will be touched, and asks.
say_what_is_here() {
    if [ -e "$home/bin/ampup" ] || [ -L "$home/bin" ]; then
        if previous=$("$home/bin/ampup" --version 2>/dev/null); then
            say "$previous is installed in $(short "$home"); this updates or repairs it"
        else
            say "the ampup in $(short "$home") does not run; this repairs it"
        fi
    fi
    size=''
    if [ -n "$expected_size" ]; then size=" ($(in_mib "$expected_size"))"; fi
    say "downloading ampup ${version:-(the newest version)} for $target$size"
    say "  from $base"
}

# A path as people write it.
short() {
    # Without a home directory nothing is below it.
    case ${HOME:+$1} in
        "${HOME-}"/*) printf '%s/%s' '~' "${1#"$HOME"/}" ;;
        *) printf '%s' "$1" ;;
    esac
}

# in_mib BYTES: with one digit behind the point.
in_mib() {
    tenths=$((($1 * 10 + 524288) / 1048576))
    printf '%s.%s MiB' "$((tenths / 10))" "$((tenths % 10))"
}

main() {
    parse "$@"
    find_target
    find_base
    find_client
    find_columns
    asset=ampup-$target
    expect_pinned
    say_what_is_here
    make_work
    [ -n "$expected" ] || expect_beside
    fetch "$asset"
    verify
    program=$work/$asset
    chmod 755 "$program" || unwritable "$program"

    set --
    [ "$made_home" -eq 0 ] || set -- --made "$made_home"
    [ -z "$self" ] || set -- "$@" --verify-self "$self"
    [ -z "$asked" ] || set -- "$@" --allow-downgrade
    ! is_on "$yes" || set -- "$@" --yes
    ! is_on "$no_modify_path" || set -- "$@" --no-modify-path
    ! is_on "$dry_run" || set -- "$@" --dry-run
    for component in $components; do set -- "$@" --component "$component"; done
    [ -z "$mirror" ] || set -- "$@" --mirror "$mirror"
    # The script itself may be standing in stdin; questions go to the terminal, if there is one.
    code=0
    if (: </dev/tty) 2>/dev/null; then
        "$program" init --home "$home" "$@" </dev/tty || code=$?
    else
        "$program" init --home "$home" "$@" </dev/null || code=$?
    fi
    case $code in
        # The shell's own codes: not permitted to run, or not what this system runs.
        126 | 127)
            fail 1 "the downloaded ampup does not run in $home" \
                "if \`mount\` shows \`noexec\` for that place, choose another with \`--home DIR\`"
            ;;
    esac
    return "$code"
}

work=''
home=''
made_home=0
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
main "$@"
exit
}
