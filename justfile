# What the gate checks before the tests.
check:
    cargo fmt --check
    cargo clippy --all-targets --features registry -- -D warnings
    cargo clippy --no-default-features --lib -- -D warnings
    shellcheck .ci/elsewhere .ci/run .ci/targets .ci/tools install.sh release/assemble bench/instructions
    .ci/tools words
    .ci/tools dependencies
    .ci/tools workflows

# The documentation of both faces, with warnings as errors.
docs:
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --no-default-features --lib

# The program and its tests, compiled for TARGETS (docs/platforms.md).
targets +TARGETS:
    .ci/targets {{ TARGETS }}

# The main job by a build for another machine: musl, aarch64 (under qemu-user) or windows (under Wine), on Debian as root
# (docs/platforms.md has what came of it last).
elsewhere BUILD:
    .ci/elsewhere {{ BUILD }}

# What needs no npm, pip, PostgreSQL, other shells or root: in under a minute, once it is built.
test-quick:
    cargo test --lib
    cargo test --test it -- choosing:: commands:: formats:: house:: registry:: seeds:: trust:: unpack:: wire:: \
        --skip wire::npm

# The slowest tests, with the seconds that each took beside the others. The variable is for the tests' own program alone: cargo
# would build everything anew for it.
slowest COUNT='20':
    cargo test --lib --test it --config 'target."cfg(all())".runner = ["env", "RUSTC_BOOTSTRAP=1"]' \
        -- -Z unstable-options --report-time 2>&1 \
        | sed -n 's/^test \(.*\) \.\.\. .*<\([0-9.]*\)s>$/\2 \1/p' | sort -rn | head -n {{ COUNT }}

# The release of this machine (or of TARGETS) in target/dist, laid out as .github/workflows/release.yml publishes it:
#   sh target/dist/install.sh --mirror "file://$PWD/target/dist"
dist *TARGETS:
    #!/bin/sh
    set -eu
    rm -rf target/dist
    mkdir -p target/dist
    targets='{{ TARGETS }}'
    [ -n "$targets" ] || targets=$(rustc -vV | sed -n 's/^host: //p')
    for target in $targets; do
        suffix=''
        case $target in *-windows-*) suffix=.exe ;; esac
        # A panic ends the program: the tables for unwinding stay out of what is published.
        flags=${RUSTFLAGS:-}
        case $target in *-linux-gnu) flags="$flags -C link-arg=-Wl,-T,$PWD/release/no-unwinding.ld" ;; esac
        RUSTFLAGS="$flags" cargo build --release --locked --target "$target" --target-dir target
        cp "target/$target/release/ampup$suffix" "target/dist/ampup-$target$suffix"
    done
    release/assemble target/dist "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"

# Each target of fuzz/ for MINUTES, or one of them; what is found lies in fuzz/artifacts, and belongs into fuzz/seeds.
# It needs `cargo install cargo-fuzz`, and runs with the stable toolchain.
fuzz MINUTES='10' TARGETS='spec pointer manifest receipt checksum_file archive':
    #!/bin/sh
    set -eu
    export RUSTC_BOOTSTRAP=1
    for target in {{ TARGETS }}; do
        mkdir -p "fuzz/corpus/$target"
        cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
            -max_total_time=$(({{ MINUTES }} * 60)) -timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1
    done

# Kill and fault sweeps, whole: every call that changes something, killed and failing in every way (docs/torture.md).
torture *FILTER:
    AMPUP_TORTURE=whole nice cargo test --test it torture::{{ FILTER }} -- --nocapture --test-threads 1

# A daemon with the crate postgresql_embedded on the PostgreSQL that ampup installed: its cluster is made, then found again.
# PostgreSQL refuses root: as root this runs as `nobody`.
embedded:
    #!/bin/sh
    set -eu
    cargo build --quiet
    cargo build --quiet --manifest-path examples/embedded/Cargo.toml
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    chmod 755 "$place"
    export AMPUP_HOME="$place/home"
    target/debug/ampup install postgres
    mkdir "$place/project"
    as=''
    if [ "$(id -u)" = 0 ]; then
        chown nobody "$place/project"
        install -m 755 examples/embedded/target/debug/embedded "$place/embedded"
        as='setpriv --reuid nobody --clear-groups'
    else
        cp examples/embedded/target/debug/embedded "$place/embedded"
    fi
    cd "$place"
    $as ./embedded project
    $as ./embedded project

# Law 2 whole: the making of a database killed at 200 points. And every length of a project's path (law 11).
torture-database POINTS='200':
    AMPUP_TORTURE=whole AMPUP_TEST_POINTS={{ POINTS }} nice cargo test --test it -- --nocapture --test-threads 1 \
        wherever_the_making_is_killed a_project_may_have_any_path

# Law 7: twenty power cuts under a project's database, on an ext4 image. As root, with loop devices.
power-cut:
    AMPUP_TORTURE=whole nice cargo test --test it torture::outage -- --nocapture --test-threads 1

# Every file that ampup writes for itself, cut at every byte, with every byte flipped, and with all that may stand in its place.
own-state:
    nice cargo test --test it -- --ignored own_state

# The picture at the top of the README, drawn from a run of its session.
picture:
    cargo build --release
    tools/picture.py target/release/ampup docs/first-session.svg

# How long things take beside what one would type without ampup (docs/performance.md); it needs nginx. Minutes, on a quiet machine.
bench *OPTIONS:
    cargo build --release
    python3 bench/run.py {{ OPTIONS }}

# Instructions of start-up, `which`, `list`, resolving and unpacking, against the recorded ones; `--record` records them. It needs valgrind.
instructions *OPTIONS:
    cargo build --release
    bench/instructions {{ OPTIONS }}
