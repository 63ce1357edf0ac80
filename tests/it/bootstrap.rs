//! install.sh, in the real shells, against a release made as the workflow makes it.

mod faults;
mod hosts;

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{
    files::{FileServer, Reply},
    programs,
    release::{Release, STAND_IN, VERSION, repository},
    table::every,
    world::{World, snapshot, write, write_program},
};

/// Each shell as its users start it, with the script in stdin.
const SHELLS: [&[&str]; 5] = [
    &["dash"],
    &["bash", "--posix"],
    &["busybox", "ash"],
    &["zsh", "--emulate", "sh"],
    &["zsh"],
];

/// Programs that install.sh may use of a machine. A test takes away or replaces some.
const TOOLS: [&str; 14] = [
    "cat",
    "chmod",
    "cp",
    "curl",
    "getconf",
    "head",
    "mkdir",
    "rm",
    "rmdir",
    "sha256sum",
    "sleep",
    "sh",
    "uname",
    "wc",
];

/// A machine with an empty HOME, a PATH of chosen tools, and a release within reach.
struct Machine {
    world: World,
    release: Release,
    server: FileServer,
    variables: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Self {
        Self::with(STAND_IN, Reply::Whole)
    }

    fn with(program: impl AsRef<[u8]>, reply: Reply) -> Self {
        Self::made(program, reply, &[])
    }

    /// With variables for `release/assemble`.
    fn signed(variables: &[(&str, &str)]) -> Self {
        Self::made(STAND_IN, Reply::Whole, variables)
    }

    fn made(program: impl AsRef<[u8]>, reply: Reply, variables: &[(&str, &str)]) -> Self {
        let world = World::new();
        let directory = world.join("release");
        fs_err::create_dir_all(&directory).expect("made");
        let server = FileServer::serve(&directory, reply);
        let release = Release::assemble(&directory, program, &server.url(), variables);
        fs_err::create_dir_all(world.join("home/user")).expect("made");
        fs_err::create_dir_all(world.join("tools")).expect("made");
        let machine = Self {
            world,
            release,
            server,
            variables: BTreeMap::new(),
        };
        for tool in TOOLS {
            let path = programs::find(tool).expect("a part of every system");
            machine.tool(tool, &path);
        }
        machine
    }

    fn user(&self) -> Utf8PathBuf {
        self.world.join("home/user")
    }

    fn home(&self) -> Utf8PathBuf {
        self.user().join(".ampup")
    }

    /// A file beside the asset for this machine; all assets of a test's release are alike, but for their names.
    fn asset_here(&self, suffix: &str) -> Utf8PathBuf {
        let asset = self.release.asset(ampup::domain::Target::X86_64LinuxGnu);
        format!("{asset}.{suffix}").into()
    }

    fn tool(&self, name: &str, program: &Utf8Path) {
        self.without(name);
        fs_err::os::unix::fs::symlink(program, self.world.join("tools").join(name)).expect("linked");
    }

    /// A tool that is this shell script.
    fn fake(&self, name: &str, script: &str) {
        self.without(name);
        write_program(
            &self.world.join("tools").join(name),
            format!("#!/bin/sh\n{script}\n"),
        );
    }

    fn without(&self, name: &str) {
        let _ = fs_err::remove_file(self.world.join("tools").join(name));
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// `shell -s -- ARGUMENTS <script`, without a terminal.
    fn command(&self, shell: &[&str], arguments: &[&str]) -> Option<Command> {
        let program = programs::find(shell[0])?;
        let mut command = Command::new(programs::find("setsid")?);
        command
            .args(["--wait", program.as_str()])
            .args(&shell[1..])
            .args(["-s", "--"])
            .args(arguments)
            .env_clear()
            .env("HOME", self.user())
            .env("PATH", self.world.join("tools"))
            .env("TMPDIR", "/nowhere/at/all")
            .envs(&self.variables)
            .current_dir(self.world.path());
        Some(command)
    }

    fn run_script(&self, script: &Utf8Path, shell: &[&str], arguments: &[&str]) -> Option<Run> {
        let mut command = self.command(shell, arguments)?;
        command.stdin(Stdio::from(
            fs_err::File::open(script).expect("there").into_parts().0,
        ));
        Some(Run::of(command.output().expect("started")))
    }

    fn run(&self, shell: &[&str], arguments: &[&str]) -> Option<Run> {
        self.run_script(&self.release.script(), shell, arguments)
    }

    /// Runs in every shell; each ends with this code, and leaves HOME empty.
    fn fails_in_every_shell(&self, arguments: &[&str], code: i32, says: &str) {
        every(SHELLS, |shell| {
            let Some(run) = self.run(shell, arguments) else {
                return;
            };
            run.assert_failed(code, says, shell);
            assert_eq!(
                snapshot(&self.world.join("home")),
                ["user/ 40755"],
                "{shell:?} left something"
            );
        });
    }
}

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    fn assert_done(&self, shell: &[&str]) {
        assert_eq!(self.code, Some(0), "{shell:?}: {}", self.stderr);
        assert!(!self.stderr.contains("error:"), "{shell:?}: {}", self.stderr);
    }

    fn assert_failed(&self, code: i32, says: &str, shell: &[&str]) {
        assert_eq!(self.code, Some(code), "{shell:?}: {}", self.stderr);
        assert!(self.stderr.contains("error: "), "{shell:?}: {}", self.stderr);
        assert!(
            self.stderr.contains(says),
            "{shell:?} does not say `{says}`: {}",
            self.stderr
        );
        assert_eq!(self.stdout, "", "{shell:?}: nothing of ampup ran");
    }
}

#[test]
fn the_script_hands_over_to_the_verified_ampup_in_every_shell() {
    let machine = Machine::new();
    every(SHELLS, |shell| {
        let Some(run) = machine.run(shell, &[]) else {
            return;
        };
        run.assert_done(shell);
        let home = machine.home();
        assert_eq!(
            run.stdout,
            format!("<init><--home><{home}><--made><1>\nstdin: <>\nbeside the home\n"),
            "{shell:?}"
        );
        assert_eq!(
            snapshot(&machine.world.join("home")),
            ["user/ 40755"],
            "{shell:?}"
        );
    });
    let requests = machine.server.requests();
    let asked = format!("/download/v{VERSION}/ampup-");
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|path| path.starts_with(&asked) && !path.ends_with("sha256")),
        "{requests:?}"
    );
}

#[test]
fn every_option_reaches_ampup_whether_it_is_a_word_or_a_variable() {
    let mut machine = Machine::new();
    let home = machine.user().join("it's here/amp");
    let expected = format!(
        "<init><--home><{home}><--made><2><--allow-downgrade><--yes><--no-modify-path><--dry-run><--component><postgres@18><--component><ampd>"
    );
    let words = [
        "-y",
        "--no-modify-path",
        "--dry-run",
        "--component",
        "postgres@18",
        "--component=ampd",
        "--version=v9.9.9",
        "--home",
        home.as_str(),
    ];
    every(SHELLS, |shell| {
        let Some(run) = machine.run(shell, &words) else {
            return;
        };
        run.assert_done(shell);
        assert_eq!(run.stdout.lines().next(), Some(expected.as_str()), "{shell:?}");
    });
    for (name, value) in [
        ("AMPUP_YES", "1"),
        ("AMPUP_NO_MODIFY_PATH", "1"),
        ("AMPUP_DRY_RUN", "1"),
        ("AMPUP_COMPONENT", "postgres@18 ampd"),
        ("AMPUP_VERSION", VERSION),
        ("AMPUP_HOME", home.as_str()),
    ] {
        machine.set(name, value);
    }
    every(SHELLS, |shell| {
        let Some(run) = machine.run(shell, &[]) else {
            return;
        };
        run.assert_done(shell);
        assert_eq!(run.stdout.lines().next(), Some(expected.as_str()), "{shell:?}");
    });
    assert_eq!(snapshot(&machine.world.join("home")), ["user/ 40755"]);
}

/// The repository's copy knows no checksums: it reads the file beside the binary.
#[test]
fn a_mirror_is_a_directory_on_this_machine_or_another() {
    let machine = Machine::new();
    let files = machine.release.files();
    for mirror in [
        format!("file://{files}"),
        format!("{}/latest/download/", machine.server.url()),
    ] {
        for script in [repository().join("install.sh"), machine.release.script()] {
            every(SHELLS, |shell| {
                let Some(run) = machine.run_script(&script, shell, &["--mirror", &mirror]) else {
                    return;
                };
                run.assert_done(shell);
                assert!(
                    run.stdout.contains(&format!("<--mirror><{mirror}>")),
                    "{}",
                    run.stdout
                );
            });
        }
    }
    // Another version than the script's own is looked for in a directory of its own.
    fs_err::os::unix::fs::symlink(&files, files.join("v1.2.3")).expect("linked");
    let run = machine.run(
        &["dash"],
        &["--version", "1.2.3", "--mirror", &format!("file://{files}")],
    );
    run.expect("dash is here").assert_done(&["dash"]);
}

#[test]
fn run_again_it_says_that_it_repairs_or_updates() {
    let machine = Machine::new();
    write_program(&machine.home().join("bin/ampup"), "#!/bin/sh\necho ampup 0.1.0\n");
    let run = machine.run(&["dash"], &[]).expect("dash is here");
    run.assert_done(&["dash"]);
    assert!(
        run.stderr.contains("ampup 0.1.0 is installed in") && run.stderr.contains("updates or repairs"),
        "{}",
        run.stderr
    );
    write_program(&machine.home().join("bin/ampup"), "#!/nowhere/sh\n");
    let run = machine.run(&["dash"], &[]).expect("dash is here");
    run.assert_done(&["dash"]);
    assert!(
        run.stderr.contains("does not run; this repairs it"),
        "{}",
        run.stderr
    );
    assert!(machine.home().join("bin/ampup").exists());
}

/// Piped into a shell the script's own text is in stdin; questions go to the terminal.
#[test]
fn with_a_terminal_ampup_asks_there() {
    let machine = Machine::new();
    let Some(script) = programs::find("script") else {
        return;
    };
    let pipe = format!("cat '{}' | dash", machine.release.script());
    machine.tool("dash", &programs::find("dash").expect("here"));
    machine.tool("stty", &programs::find("stty").expect("a part of every system"));
    // The bar of curl fits, or there is none.
    for (columns, has_bar) in [(80, true), (40, true), (20, false)] {
        let output = Command::new(&script)
            .args([
                "-q",
                "-e",
                "/dev/null",
                "-c",
                &format!("stty cols {columns}; {pipe}"),
            ])
            .env_clear()
            .env("HOME", machine.user())
            .env("SHELL", "/bin/sh")
            .env("PATH", machine.world.join("tools"))
            .stdin(Stdio::null())
            .output()
            .expect("started");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("stdin: a terminal"), "{text}");
        let bars: Vec<&str> = text.split(['\r', '\n']).filter(|row| row.contains('%')).collect();
        assert_eq!(!bars.is_empty(), has_bar, "{columns}: {text}");
        assert!(
            bars.iter().all(|bar| bar.len() <= columns),
            "{columns}: {bars:#?}"
        );
    }
}

/// A shell that read only a part of the script runs no part of it.
#[test]
fn a_script_that_was_cut_at_any_byte_does_nothing() {
    let machine = Machine::new();
    let script = fs_err::read(machine.release.script()).expect("there");
    let whole = script.trim_ascii_end().len();
    let cut = machine.world.join("cut.sh");
    let step = 61;
    for length in (0..whole).step_by(step).chain(whole - 40..whole) {
        write(&cut, &script[..length]);
        every(SHELLS, |shell| {
            let Some(run) = machine.run_script(&cut, shell, &["--yes"]) else {
                return;
            };
            assert_eq!(run.stdout, "", "{shell:?} at {length}");
            // A shell may quote the line that it could not parse.
            let spoke = run.stderr.lines().any(|line| line.starts_with("ampup: "));
            assert!(!spoke, "{shell:?} at {length}: {}", run.stderr);
        });
    }
    assert_eq!(machine.server.requests(), [""; 0]);
    assert_eq!(snapshot(&machine.world.join("home")), ["user/ 40755"]);
}
