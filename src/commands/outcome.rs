//! The outcome of a command: its exit code and its output.

use serde_json::Value;

use crate::exit::Exit;

/// The output and the exit code of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The exit code.
    pub exit: Exit,
    /// The answer, as text for stdout; empty or ending in a line feed.
    pub data: String,
    /// The answer is for a person, who reads it in color and with short paths; it is never parsed.
    pub is_prose: bool,
    /// The messages for a person, one line each, for stderr.
    pub talk: Vec<String>,
    /// The same for programs: an object; null where a command has answered in our place.
    pub json: Value,
}

/// The tense of what is told: a dry run shows the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    /// It would be done.
    Planned,
    /// It was done.
    Done,
}

impl Tense {
    /// The word for this tense.
    pub(super) fn of<'w>(self, planned: &'w str, done: &'w str) -> &'w str {
        match self {
            Self::Planned => planned,
            Self::Done => done,
        }
    }
}

impl Outcome {
    /// An answer to a question.
    pub fn answer(data: impl Into<String>, json: Value) -> Self {
        Self {
            exit: Exit::Done,
            data: data.into(),
            is_prose: false,
            talk: Vec::new(),
            json,
        }
    }

    /// An answer that only a person reads; programs take the JSON.
    pub fn prose(data: impl Into<String>, json: Value) -> Self {
        Self {
            is_prose: true,
            ..Self::answer(data, json)
        }
    }

    /// The end of a command that ran in our place and has said what there was to say.
    pub fn of_command(code: u8) -> Self {
        Self {
            exit: Exit::Command(code),
            data: String::new(),
            is_prose: false,
            talk: Vec::new(),
            json: Value::Null,
        }
    }

    /// A report of what would be done.
    pub fn planned(talk: Vec<String>, json: Value) -> Self {
        Self::rehearsed("this would be done, and nothing was:", talk, json)
    }

    /// A report of why nothing would be done.
    pub fn unneeded(talk: Vec<String>, json: Value) -> Self {
        Self::rehearsed("nothing would be done:", talk, json)
    }

    fn rehearsed(head: &str, talk: Vec<String>, mut json: Value) -> Self {
        json["dry_run"] = true.into();
        let lines = talk.into_iter().map(|line| format!("  {line}"));
        Self::done(std::iter::once(head.to_owned()).chain(lines).collect(), json)
    }

    /// A report of what was done.
    pub fn done(talk: Vec<String>, json: Value) -> Self {
        Self {
            exit: Exit::Done,
            data: String::new(),
            is_prose: false,
            talk,
            json,
        }
    }
}
