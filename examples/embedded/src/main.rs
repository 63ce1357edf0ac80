//! A daemon that uses the crate `postgresql_embedded`, served by the PostgreSQL that ampup installed: `trust_installation_dir`
//! keeps that crate from downloading one of its own. `embedded DIRECTORY` makes a cluster in the directory on its first run
//! and finds it again on the next; it needs no network.
//!
//! `ampup::postgres` does all this without the crate, and more carefully (docs/decisions/postgresql-is-run-directly.md).
//! Here is how to live with it: its cluster is its own, and neither ampup nor ampd uses it.

use std::{collections::HashMap, error::Error, fs, path::Path, time::Duration};

use ampup::{env::Env, locate::Locator};
use postgresql_embedded::{PostgreSQL, Settings};

/// The database of this example.
const DATABASE: &str = "example";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: embedded DIRECTORY")?;
    let postgres = Locator::from_env(&Env::capture())?.postgres(None)?;
    let mut server = PostgreSQL::new(settings(Path::new(&directory), postgres.tree.as_std_path())?);
    server.setup().await?;
    server.start().await?;
    let served = serve(&server).await;
    // Dropped without this it would be stopped as well, with the thread blocked.
    server.stop().await?;
    println!("PostgreSQL {} {}", postgres.name, served?);
    Ok(())
}

/// Does what a daemon would do with it.
async fn serve(server: &PostgreSQL) -> postgresql_embedded::Result<&'static str> {
    if server.database_exists(DATABASE).await? {
        return Ok("served the database of an earlier run");
    }
    server.create_database(DATABASE).await?;
    Ok("made a database")
}

/// Every field is given: the crate's own defaults make two directories in the temporary directory each time.
fn settings(directory: &Path, tree: &Path) -> Result<Settings, Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    Ok(Settings {
        // The tree itself, not `~/.ampup/bin`: the crate runs pg_ctl, which is not linked there.
        installation_dir: tree.to_owned(),
        trust_installation_dir: true,
        data_dir: directory.join("data"),
        // Its file is read by initdb alone; the password must be the same on every run.
        password_file: directory.join("password"),
        password: "example".to_owned(),
        username: "postgres".to_owned(),
        temporary: false,
        // Without these two it opens a TCP port. The path goes through a shell: it must hold no space and no quote.
        socket_dir: Some(directory),
        configuration: HashMap::from([
            ("listen_addresses".to_owned(), String::new()),
            // It starts every server with `-F`, fsync off; the later word counts.
            ("fsync".to_owned(), "on".to_owned()),
        ]),
        host: "localhost".to_owned(),
        port: 5432,
        // For each of its commands; its default of five seconds is too short for initdb on a busy machine.
        timeout: Some(Duration::from_secs(60)),
        // Neither is used with a trusted directory.
        releases_url: String::new(),
        version: postgresql_embedded::VersionReq::STAR,
    })
}
