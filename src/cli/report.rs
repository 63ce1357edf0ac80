//! Printing: data to stdout, talk to stderr, both meaningful without colour.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
};

use serde_json::{Value, json};

use super::args::{Global, When};
use crate::{
    commands::{Error, Outcome},
    env::Env,
    exit::Exit,
};

/// The version of what `--json` prints.
const SCHEMA: u64 = 1;

/// The form of this run's output.
#[derive(Debug, Clone)]
pub(super) struct Face {
    json: bool,
    quiet: bool,
    verbose: bool,
    colour: bool,
}

impl Face {
    pub(super) fn new(global: &Global, env: &Env) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            colour: match global.color {
                When::Always => true,
                When::Never => false,
                When::Auto => suits_colour(env),
            },
        }
    }

    /// Before the command line could be read.
    fn unread(json: bool, env: &Env) -> Self {
        Self {
            json,
            quiet: false,
            verbose: false,
            colour: suits_colour(env),
        }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A line of talk: `error:`, `warning:` and `hint:` are coloured.
    pub(super) fn line(&self, text: &str) -> String {
        let paints = [("error:", "1;31"), ("warning:", "1;33"), ("hint:", "1;36")];
        for (word, paint) in paints {
            if let Some(rest) = text.strip_prefix(word)
                && self.colour
            {
                return format!("\x1b[{paint}m{word}\x1b[0m{rest}");
            }
        }
        text.to_owned()
    }

    /// Prints how a command ended, and gives its exit code.
    pub(super) fn ended(&self, ended: Result<Outcome, Error>) -> Exit {
        match ended {
            Ok(outcome) => self.outcome(&outcome),
            Err(error) => {
                self.error(&error);
                error.exit_code()
            }
        }
    }

    fn outcome(&self, outcome: &Outcome) -> Exit {
        let data = if self.json && outcome.json.is_null() {
            String::new()
        } else if self.json {
            let mut object =
                json!({ "schema": SCHEMA, "exit": outcome.exit.code(), "messages": outcome.talk });
            merge(&mut object, &outcome.json);
            pretty(&object)
        } else {
            if !self.quiet || outcome.exit != Exit::Done {
                for line in &outcome.talk {
                    talk(&self.line(line));
                }
            }
            outcome.data.clone()
        };
        match print(&data) {
            Ok(()) => outcome.exit,
            Err(cause) => {
                talk(&self.line(&unwritten(&cause)));
                Exit::of_io(&cause)
            }
        }
    }

    /// Prints that the end of an interrupted run takes a while.
    #[cfg(unix)]
    pub(super) fn puts_back(&self) {
        if !self.json {
            let line = "putting back what was begun; a second signal leaves it";
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Prints that a signal ended the run.
    #[cfg(unix)]
    pub(super) fn interrupted(&self, signal: &str, left: &str) {
        let mut message = format!("interrupted by {signal}");
        if !left.is_empty() {
            message += &format!("; {left}");
        }
        if self.json {
            let object = json!({
                "schema": SCHEMA, "signal": signal,
                "error": { "message": message, "causes": [], "hint": null },
            });
            let _ = print(&pretty(&object));
        } else {
            // Not `talk`, which is silent by now.
            let _ = writeln!(io::stderr().lock(), "{}", self.line(&format!("error: {message}")));
        }
    }

    fn error(&self, error: &Error) {
        if self.json {
            let object = json!({
                "schema": SCHEMA, "exit": error.exit_code().code(),
                "error": error.json(),
            });
            // Nobody is left to be told that this failed.
            let _ = print(&pretty(&object));
            return;
        }
        for line in error.lines() {
            talk(&self.line(&line));
        }
    }
}

/// Prints why the command line was refused (or help, or the version), and gives the exit code.
pub(super) fn refused(refusal: &clap::Error, words: &[OsString], env: &Env) -> Exit {
    let json = words
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json");
    // A value that we refused ourselves, with what would do.
    let ours = std::error::Error::source(refusal).and_then(|cause| cause.downcast_ref::<Error>());
    if let Some(error) = ours {
        Face::unread(json, env).error(error);
        return error.exit_code();
    }
    if refusal.use_stderr() && json {
        let message = refusal.to_string();
        // The first paragraph: what follows is usage and tips for a person.
        let message: Vec<&str> = message
            .lines()
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect();
        let message = message.join(" ");
        let message = message.trim_start_matches("error: ");
        let object = json!({
            "schema": SCHEMA, "exit": super::USAGE.code(),
            "error": { "message": message, "causes": [], "hint": "`ampup --help`" },
        });
        let _ = print(&pretty(&object));
        return super::USAGE;
    }
    let printed = refusal.print().and_then(|()| io::stdout().flush());
    if refusal.use_stderr() {
        return super::USAGE;
    }
    match forgiven(printed) {
        Ok(()) => Exit::Done,
        Err(cause) => {
            talk(&unwritten(&cause));
            Exit::of_io(&cause)
        }
    }
}

/// <https://no-color.org>: any value that is not empty.
fn suits_colour(env: &Env) -> bool {
    io::stderr().is_terminal() && env.var_os("NO_COLOR").is_none() && env.var("TERM") != Some("dumb")
}

fn merge(object: &mut Value, more: &Value) {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
}

fn pretty(object: &Value) -> String {
    format!("{object:#}\n")
}

/// Writes to stdout.
fn print(data: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    forgiven(stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()))
}

/// A reader that went away (`ampup list | head -1`) has what it wanted.
fn forgiven(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn unwritten(cause: &io::Error) -> String {
    format!("error: cannot write to stdout: {cause}")
}

/// Writes a line to stderr; when that is closed, nobody is left to be told.
pub(super) fn talk(line: &str) {
    // What an interrupted step says of its end is of no interest.
    if crate::children::are_ending() {
        return;
    }
    let _ = writeln!(io::stderr().lock(), "{line}");
}
