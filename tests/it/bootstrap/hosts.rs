//! Which build a machine gets, and what a machine that gets none is told.

use super::*;

/// A machine that calls itself so. `glibc` is what `getconf` answers, `class` the fifth byte of its programs.
fn machine_that_is(system: &str, machine: &str, glibc: &str, class: &str) -> Machine {
    let here = Machine::new();
    here.fake(
        "uname",
        &format!("case $1 in -s) echo {system} ;; -m) echo {machine} ;; -o) echo GNU/{system} ;; esac"),
    );
    here.fake("getconf", &format!("echo '{glibc}'; test -n '{glibc}'"));
    here.fake("head", &format!("printf '\\177ELF\\{class}'"));
    here
}

fn chosen(machine: &Machine) -> String {
    let run = machine.run(&["dash"], &[]).expect("dash is here");
    let (_, rest) = run
        .stderr
        .split_once(" for ")
        .unwrap_or_else(|| panic!("no target: {}", run.stderr));
    rest.split([' ', '\n']).next().expect("a word").to_owned()
}

#[test]
fn each_kind_of_machine_gets_its_build() {
    let rows = [
        ("Linux", "x86_64", "glibc 2.36", "x86_64-unknown-linux-gnu"),
        ("Linux", "amd64", "glibc 2.35", "x86_64-unknown-linux-gnu"),
        ("Linux", "x86_64", "glibc 3.0", "x86_64-unknown-linux-gnu"),
        ("Linux", "aarch64", "glibc 2.41", "aarch64-unknown-linux-gnu"),
        // Too old, another C library, or nobody to ask: the static build runs everywhere.
        ("Linux", "x86_64", "glibc 2.34", "x86_64-unknown-linux-musl"),
        ("Linux", "x86_64", "glibc 2.9", "x86_64-unknown-linux-musl"),
        ("Linux", "aarch64", "", "aarch64-unknown-linux-musl"),
        ("Linux", "x86_64", "undefined", "x86_64-unknown-linux-musl"),
        ("Darwin", "arm64", "", "aarch64-apple-darwin"),
        ("Darwin", "x86_64", "", "x86_64-apple-darwin"),
    ];
    every(rows, |(system, machine, glibc, target)| {
        let here = machine_that_is(system, machine, glibc, "002");
        assert_eq!(chosen(&here), target, "{system} {machine} {glibc}");
    });
}

#[test]
fn a_shell_under_rosetta_gets_the_native_build() {
    let here = machine_that_is("Darwin", "x86_64", "", "002");
    here.fake("sysctl", "echo 1");
    assert_eq!(chosen(&here), "aarch64-apple-darwin");
    here.fake("sysctl", "echo 0");
    assert_eq!(chosen(&here), "x86_64-apple-darwin");
}

#[test]
fn a_machine_that_ampup_is_not_built_for_is_named() {
    for (system, machine, class, says) in [
        ("Linux", "riscv64", "002", "Linux on riscv64"),
        ("Linux", "i686", "001", "Linux on i686"),
        ("Linux", "x86_64", "001", "a 32-bit userland on a 64-bit kernel"),
        ("Linux", "aarch64", "001", "a 32-bit userland on a 64-bit kernel"),
        ("FreeBSD", "amd64", "002", "FreeBSD on x86_64"),
        ("MINGW64_NT-10.0", "x86_64", "002", "install.ps1"),
    ] {
        let here = machine_that_is(system, machine, "glibc 2.36", class);
        every([&["dash"][..], &["bash"], &["zsh"]], |shell| {
            let Some(run) = here.run(shell, &[]) else {
                return;
            };
            run.assert_failed(1, says, shell);
        });
        assert_eq!(here.server.requests(), [""; 0]);
        assert_eq!(snapshot(&here.world.join("home")), ["user/ 40755"]);
    }
}
