//! Users with any login shell: what `init` and `env` say to each.

use crate::support::{
    home::{Run, finish, program},
    person::{Person, Who},
    programs as shells,
    table::every,
};

/// Runs `init` for somebody with this shell.
fn init(person: &Person, shell: &str) -> Run {
    let mut command = person.command(program(), &["init", "--yes"]);
    command.env("SHELL", shell);
    finish(command)
}

#[test]
fn new_shells_are_said_to_find_ampup_only_where_they_will() {
    const BY_THEMSELVES: &str = "new shells find it by themselves";
    let mut wrong = Vec::new();
    let rows = [
        ("/bin/bash", BY_THEMSELVES),
        // It reads `.profile` when it logs in, and nothing else.
        ("/bin/sh", "new login shells find it by themselves"),
        (
            "/bin/tcsh",
            "add this to `~/.cshrc`, and type it in this shell: `setenv PATH '",
        ),
        ("/bin/csh", "`setenv PATH '"),
        ("/usr/bin/elvish", "`set paths = ['"),
        ("/usr/bin/xonsh", "`$PATH.insert(0, '"),
        ("/usr/bin/ion", "`ion` is not supported"),
    ];
    every(rows, |(shell, text)| {
        let run = init(&Person::new(Who::Ordinary), shell).exits(0);
        let is_right =
            run.stderr.contains(text) && (run.stderr.contains(BY_THEMSELVES) == (text == BY_THEMSELVES));
        if !is_right {
            wrong.push(format!("{shell}: {run:?}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Where every file is a link, none gets its line.
    let person = Person::new(Who::Ordinary);
    for name in [".bashrc", ".profile"] {
        person.write(&format!("dot/{name}"), "# mine\n");
        fs_err::os::unix::fs::symlink(format!("dot/{name}"), person.directory().join(name)).expect("linked");
    }
    let run = init(&person, "/bin/bash").exits(0);
    assert!(!run.stderr.contains(BY_THEMSELVES), "{run:?}");

    // One that was converted to Windows line ends, ampup's lines included, gets these anew; the user's are the user's.
    let person = Person::new(Who::Ordinary);
    person.write(".bashrc", "# mine\n");
    init(&person, "/bin/bash").exits(0);
    let bashrc = person.directory().join(".bashrc");
    let text = fs_err::read_to_string(&bashrc).expect("read");
    fs_err::write(&bashrc, text.replace('\n', "\r\n")).expect("converted");
    let run = init(&person, "/bin/bash")
        .exits(0)
        .says("replaced ampup's line in")
        .says("has Windows line ends")
        .says("`sed -i 's/\\r$//' ");
    assert!(!run.stderr.contains(BY_THEMSELVES), "{run:?}");
    let now = fs_err::read_to_string(&bashrc).expect("read");
    assert_eq!(now, text.replacen('\n', "\r\n", 1));

    // zsh puts it before the name of each of its files, whatever it is.
    every(["", "dots"], |value| {
        let person = Person::new(Who::Ordinary);
        let mut command = person.command(program(), &["init", "--yes"]);
        command.env("SHELL", "/bin/zsh").env("ZDOTDIR", value);
        let run = finish(command).exits(0).says("zsh reads none of your files");
        let has_file = person.directory().join(".zshenv").exists();
        assert!(!run.stderr.contains(BY_THEMSELVES) && !has_file, "{run:?}");
    });
}

#[test]
fn what_env_prints_is_understood_by_shells_without_a_file_of_ours() {
    let person = Person::new(Who::Ordinary);
    init(&person, "/bin/sh").exits(0);
    let rows = [
        (
            "tcsh",
            &["-f", "-c"][..],
            "eval \"`ampup env csh`\"; printf %s \"$PATH\"",
        ),
        (
            "elvish",
            &["-norc", "-c"],
            "eval (ampup env elvish | slurp); print (get-env PATH)",
        ),
    ];
    every(rows, |(shell, arguments, line)| {
        let Some(shell) = shells::find(shell) else {
            return;
        };
        let bin = person.home.path().join("bin");
        let mut command = person.command(&shell, arguments);
        let path = format!("{}:/usr/bin:/bin", program().parent().expect("a directory"));
        let run = finish({
            command.arg(line).env("PATH", &path);
            command
        });
        assert_eq!(run.stdout, format!("{bin}:{path}"), "{shell}: {run:?}");
    });
}
