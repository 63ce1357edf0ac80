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
        cargo build --release --locked --target "$target" --target-dir target
        cp "target/$target/release/ampup$suffix" "target/dist/ampup-$target$suffix"
    done
    release/assemble target/dist "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"

# Kill and fault sweeps, whole: every call that changes something, killed and failing in every way (docs/torture.md).
torture *FILTER:
    AMPUP_TORTURE=whole nice cargo test --test it torture::{{ FILTER }} -- --nocapture --test-threads 1
