//! The database `postgres`, which clients are led to and which users can drop.

use std::{io, time::Duration};

use crate::postgres::observe::{
    endpoint::{DATABASE, Socket},
    sql_session::{self, Answer, WireError},
};

/// The database that is there when `postgres` is not.
const TEMPLATE: &str = "template1";

/// The time in which a server must send its next message.
const ANSWER: Duration = Duration::from_secs(5);

/// Returns true if the server has no database `postgres`. It says the same of one whose files are gone, and that one is not to be
/// made again.
pub(super) fn is_dropped(socket: &Socket, role: &str) -> bool {
    let is_there = format!("select count(*) from pg_database where datname = '{DATABASE}'");
    match sql_session::connect_to(TEMPLATE, socket, role, ANSWER) {
        Answer::Ready(mut session) => session.value(&is_there).is_ok_and(|number| number == "0"),
        _ => false,
    }
}

/// Makes the database `postgres`, as initdb does.
pub(super) fn make_again(socket: &Socket, role: &str) -> Result<(), WireError> {
    let make = format!("create database {DATABASE}");
    match sql_session::connect_to(TEMPLATE, socket, role, ANSWER) {
        Answer::Ready(mut session) => session.query(&make).map(drop),
        Answer::Refused { code, message } => Err(WireError::Refused { code, message }),
        Answer::NotYet(message) => Err(io::Error::other(message).into()),
        Answer::Nobody => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
    }
}
