//! Printing: data to stdout, talk to stderr, both meaningful without colour.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use clap::{ValueEnum, builder::StyledStr};
use serde_json::{Value, json};

use super::{
    args::{Cli, Progress, When},
    carried::Carried,
    paths::ShortPaths,
    progress::screen::Screen,
    refusal,
};
use crate::{
    children::Interrupt,
    commands::{Error, Outcome},
    env::Env,
    event::Event,
    exit::Exit,
    fs::reason,
};

/// The version of what `--json` prints.
const SCHEMA: u64 = 1;

/// The output of this run: its form, and what of it is shown already.
#[derive(Debug, Clone)]
pub(super) struct Face {
    json: bool,
    /// Talk is JSON, an event a line.
    is_talk_json: bool,
    quiet: bool,
    verbose: bool,
    places: ShortPaths,
    carried: Carried,
    /// Talk, on stderr, is coloured.
    talk_is_coloured: bool,
    /// Data, on stdout, is coloured.
    data_is_coloured: bool,
    interrupt: Interrupt,
    screen: Screen,
    warnings: Arc<Mutex<BTreeSet<String>>>,
}

impl Face {
    pub(super) fn new(cli: &Cli, env: &Env, interrupt: &Interrupt) -> Self {
        let global = &cli.global;
        Self {
            carried: Carried::of(cli, env),
            quiet: global.quiet,
            verbose: global.verbose,
            interrupt: interrupt.clone(),
            ..Self::unread(global.json, global.progress, global.color, env)
        }
    }

    /// Before the command line could be read.
    fn unread(json: bool, progress: Progress, color: When, env: &Env) -> Self {
        Self {
            json,
            is_talk_json: progress == Progress::Json,
            quiet: false,
            verbose: false,
            places: ShortPaths::of(env),
            carried: Carried::default(),
            talk_is_coloured: is_coloured(color, io::stderr().is_terminal(), env),
            data_is_coloured: is_coloured(color, io::stdout().is_terminal(), env),
            interrupt: Interrupt::default(),
            screen: Screen::default(),
            warnings: Arc::default(),
        }
    }

    /// Its rows of progress.
    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Takes the rows off the terminal, for good.
    pub(super) fn clear(&self) {
        self.screen.clear();
    }

    /// Returns false for a warning that was given in this run already.
    pub(super) fn is_news(&self, event: &Event) -> bool {
        let Event::Warning(text) = event else {
            return true;
        };
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.insert(text.clone())
    }

    /// Writes a line to stderr, with its colours; when that is closed, nobody is left to be told.
    pub(super) fn talk(&self, line: &str) {
        // What an interrupted step says of its end is of no interest.
        if !self.interrupt.is_ending() {
            self.write(line);
        }
    }

    /// Writes a line of JSON to stderr.
    pub(super) fn talk_json(&self, mut object: Value) {
        if !self.interrupt.is_ending() {
            self.carried.complete_json(&mut object);
            write_line(&object.to_string());
        }
    }

    /// Writes a line to stderr also while an interrupted run ends.
    fn write(&self, line: &str) {
        if !self.is_talk_json {
            return write_line(&self.line(line));
        }
        let (event, text) = match line.strip_prefix("warning: ") {
            Some(text) => ("warning", text),
            None => ("note", line),
        };
        let text = self.carried.complete(text);
        write_line(&json!({ "event": event, "text": text }).to_string());
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A line of talk: its paths are short, its commands can be typed as they stand, and `error:`, `warning:` and `hint:` are
    /// coloured.
    fn line(&self, text: &str) -> String {
        let text = self.places.shorten(text);
        // An error tells of the command that was typed, and whom we wait for typed another.
        let is_advice = !text.starts_with("error:") && !text.starts_with("waiting for ");
        let text = match is_advice {
            true => self.carried.complete(&text),
            false => text,
        };
        let text = harmless(&text);
        let paints = [("error:", "1;31"), ("warning:", "1;33"), ("hint:", "1;36")];
        for (word, paint) in paints {
            if let Some(rest) = text.strip_prefix(word)
                && self.talk_is_coloured
            {
                return format!("\x1b[{paint}m{word}\x1b[0m{rest}");
            }
        }
        text
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
            let talk = outcome.talk.iter();
            let talk: Vec<_> = talk.map(|line| self.carried.complete(line)).collect();
            let mut object = json!({ "schema": SCHEMA, "exit": outcome.exit.code(), "messages": talk });
            merge(&mut object, &outcome.json);
            self.carried.complete_json(&mut object);
            pretty(&object)
        } else {
            self.data(outcome)
        };
        let printed = print(&data);
        if !self.json && (!self.quiet || outcome.exit != Exit::Done) {
            for line in &outcome.talk {
                self.talk(line);
            }
        }
        match printed {
            Ok(()) => outcome.exit,
            Err(cause) => {
                self.talk(&unwritten(&cause));
                Exit::of_io(&cause)
            }
        }
    }

    /// The answer as it is printed.
    fn data(&self, outcome: &Outcome) -> String {
        if !outcome.is_prose {
            return outcome.data.clone();
        }
        let data = self.carried.complete(&self.places.shorten(&outcome.data));
        if self.data_is_coloured { data } else { plain(&data) }
    }

    /// Prints that the end of an interrupted run takes a while.
    #[cfg(unix)]
    pub(super) fn puts_back(&self) {
        if !self.json {
            self.write("cleaning up; interrupt again to stop at once");
        }
    }

    /// Prints that a signal ended the run, on a line of its own also where a question was open.
    #[cfg(unix)]
    pub(super) fn interrupted(&self, signal: &str, left: &str, is_asking: bool) {
        if is_asking {
            write_line("");
        }
        let mut message = format!("interrupted by {signal}");
        if !left.is_empty() {
            message += &format!("; {}", self.carried.complete(left));
        }
        let failure = json!({ "message": message, "causes": [], "hint": null });
        if self.json {
            let object = json!({ "schema": SCHEMA, "signal": signal, "error": failure });
            let _ = print(&pretty(&object));
        } else if self.is_talk_json {
            write_line(&event_of(failure).to_string());
        } else {
            // Not `talk`, which is silent by now.
            self.write(&format!("error: {message}"));
        }
    }

    fn error(&self, error: &Error) {
        if self.json {
            let mut object = json!({
                "schema": SCHEMA, "exit": error.exit_code().code(),
                "error": error.json(),
            });
            self.carried.complete_json(&mut object);
            // Nobody is left to be told that this failed.
            let _ = print(&pretty(&object));
            return;
        }
        if self.is_talk_json {
            return self.talk_json(event_of(error.json()));
        }
        for line in error.lines() {
            self.talk(&line);
        }
    }
}

/// Prints why the command line was refused (or help, or the version), and gives the exit code.
pub(super) fn refused(refused: &clap::Error, words: &[OsString], env: &Env) -> Exit {
    let progress = asked(words, "--progress").unwrap_or(Progress::Auto);
    let color = asked(words, "--color").unwrap_or(When::Auto);
    let face = Face::unread(is_json(words), progress, color, env);
    // A value that we refused ourselves, with what would do.
    let ours = std::error::Error::source(refused).and_then(|cause| cause.downcast_ref::<Error>());
    if let Some(error) = ours {
        face.error(error);
        return error.exit_code();
    }
    let is_help = !refused.use_stderr()
        || refused.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !is_help || (refused.use_stderr() && face.json) {
        let error = refusal::error(refused, words);
        face.error(&error);
        return error.exit_code();
    }
    let text = refused.render().ansi().to_string();
    if refused.use_stderr() {
        // clap's own text, whose colors are not made harmless.
        match (face.is_talk_json, face.talk_is_coloured) {
            (true, _) => face.talk(plain(&text).trim_end()),
            (false, true) => write_line(text.trim_end()),
            (false, false) => write_line(plain(&text).trim_end()),
        }
        return Exit::Usage;
    }
    let text = if face.data_is_coloured { text } else { plain(&text) };
    match print(&text) {
        Ok(()) => Exit::Done,
        Err(cause) => {
            face.talk(&unwritten(&cause));
            Exit::of_io(&cause)
        }
    }
}

/// The words that are ampup's own.
fn own(words: &[OsString]) -> impl Iterator<Item = &str> {
    let own = words.iter().take_while(|word| *word != "--");
    own.filter_map(|word| word.to_str())
}

fn is_json(words: &[OsString]) -> bool {
    own(words).any(|word| word == "--json")
}

/// The value of an option, if it is one of its values.
fn asked<T: ValueEnum>(words: &[OsString], option: &str) -> Option<T> {
    let after = own(words).skip_while(|word| *word != option).nth(1);
    let joined = own(words).find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
    after.or(joined).and_then(|word| T::from_str(word, false).ok())
}

/// The rules of <https://no-color.org> and <https://bixense.com/clicolors>; the command line comes first.
fn is_coloured(asked: When, is_terminal: bool, env: &Env) -> bool {
    let is_forced = || env.var("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    match asked {
        When::Always => true,
        When::Never => false,
        When::Auto if env.var_os("NO_COLOR").is_some() => false,
        When::Auto if is_forced() => true,
        When::Auto => is_terminal && env.var("TERM") != Some("dumb") && env.var("CLICOLOR") != Some("0"),
    }
}

/// A text without its colors.
pub(super) fn plain(text: &str) -> String {
    StyledStr::from(text.to_owned()).to_string()
}

/// A failure as an event.
fn event_of(mut failure: Value) -> Value {
    failure["event"] = "error".into();
    failure
}

fn merge(object: &mut Value, more: &Value) {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
}

fn pretty(object: &Value) -> String {
    format!("{object:#}\n")
}

/// The text without what would move a terminal's cursor or change its title: a cloned repository may have it in a name.
fn harmless(text: &str) -> String {
    let is_ours = |letter: char| letter == '\n' || letter == '\t' || !letter.is_control();
    if text.chars().all(is_ours) {
        return text.to_owned();
    }
    text.chars()
        .map(|letter| match is_ours(letter) {
            true => letter.to_string(),
            false => letter.escape_default().to_string(),
        })
        .collect()
}

/// Writes a line to stderr in one go, so that what others write there at the same time stands before or after it. When that is
/// closed, nobody is left to be told.
fn write_line(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
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
    format!("error: cannot write to stdout: {}", reason(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_moved_by_nothing_that_is_told() {
        assert_eq!(harmless("a\u{1b}]0;x\u{7}\tb\nc"), "a\\u{1b}]0;x\\u{7}\tb\nc");
        assert_eq!(harmless("größe"), "größe");
    }
}
