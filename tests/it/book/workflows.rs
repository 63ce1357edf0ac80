//! The workflow files and the action call this program, and the maintainers' one, by command lines that these have.

use clap::{Command, CommandFactory as _};
use fs_err as fs;

use super::ci::commands_of_yaml;
use crate::{support::release::repository, tool};

/// A program of ours, and its arguments as a workflow has them.
#[derive(Debug)]
struct Call {
    file: String,
    program: &'static str,
    arguments: Vec<String>,
}

/// The program that a word calls where a command stands.
fn program(word: &str) -> Option<&'static str> {
    match word.rsplit('/').next()? {
        "ampup" | "ampup.exe" => Some("ampup"),
        "registry" => Some("registry"),
        _ => None,
    }
}

/// The words of a command, without quotes; what a variable holds is some word.
fn words(command: &str) -> Vec<String> {
    let word = |word: &str| match word.trim_matches(['"', '\'']) {
        word if word.starts_with("$URL") => "https://registry.example".to_owned(),
        word if word.contains('$') && program(word).is_none() => "word".to_owned(),
        word => word.to_owned(),
    };
    command.split_whitespace().map(word).collect()
}

/// The calls of our programs in a shell script.
fn calls(script: &str, file: &str) -> Vec<Call> {
    let script = script.replace("\\\n", " ");
    let lines = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    let commands = lines.flat_map(|line| line.split([';', '|', '&', '<', '>', '{', '}']));
    let mut calls = Vec::new();
    for command in commands {
        let words = words(command);
        let call = |program, from: usize| Call {
            file: file.to_owned(),
            program,
            arguments: words[from..].to_vec(),
        };
        if words.first().is_some_and(|word| word == "cargo") {
            if let Some(at) = words.iter().position(|word| word == "--")
                && words[1] == "run"
            {
                let is_registry = words[..at].windows(2).any(|two| two == ["--bin", "registry"]);
                calls.push(call(if is_registry { "registry" } else { "ampup" }, at + 1));
            }
            continue;
        }
        for (at, word) in words.iter().enumerate() {
            let is_command = at == 0 || ["-c", "--", "do", "test"].contains(&words[at - 1].as_str());
            if let Some(program) = program(word).filter(|_| is_command && at + 1 < words.len()) {
                calls.push(call(program, at + 1));
            }
        }
    }
    // A function of the shell's hands on whatever it gets.
    calls.retain(|call| call.arguments != ["word"]);
    calls
}

#[test]
fn every_call_in_a_workflow_is_one_that_the_program_has() {
    let directory = repository().join(".github/workflows");
    let mut files = vec![repository().join("action.yml")];
    files.extend(
        directory
            .read_dir_utf8()
            .expect("listed")
            .map(|entry| entry.expect("an entry").into_path()),
    );
    let mut all = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("read");
        let scripts = commands_of_yaml(&text);
        all.extend(scripts.iter().flat_map(|script| calls(script, file.as_str())));
    }
    let of = |program: &str| all.iter().filter(|call| call.program == program).count();
    assert!(of("ampup") >= 12 && of("registry") >= 4, "{all:#?}");
    let grammar: [(&str, Command); 2] = [
        ("ampup", ampup::cli::help::grammar()),
        ("registry", tool::Cli::command()),
    ];
    let mut wrong = Vec::new();
    for call in &all {
        let mut arguments = call.arguments.clone();
        // What follows is psql's own.
        if let Some(at) = arguments.iter().position(|word| word == "psql") {
            arguments.truncate(at + 1);
        }
        let (_, grammar) = grammar
            .iter()
            .find(|(program, _)| *program == call.program)
            .expect("one of two");
        let line = std::iter::once(call.program.to_owned()).chain(arguments);
        match grammar.clone().try_get_matches_from(line) {
            Err(refusal) if refusal.use_stderr() => wrong.push(format!(
                "{} in {}: {refusal}",
                call.arguments.join(" "),
                call.file
            )),
            Ok(_) | Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
