//! A port of 127.0.0.1 beside the socket, for programs that cannot use a socket: only if it is asked for, and with a
//! password. The cluster's own files stay as they are.

use camino::Utf8PathBuf;

use crate::{
    fs::atomic,
    postgres::{
        context::{ClusterContext, Reach},
        error::ClusterError,
        observe::{
            address::{last_port, password},
            endpoint::LOOPBACK,
            files,
            sql_session::SqlSession,
        },
        ownership::give,
        run::listen::{free_port, make_password},
        user::OsUser,
    },
};

/// The longest `pg_hba.conf` that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The rules of a server that has a port.
pub(crate) struct Port {
    /// The file with the rules.
    pub(crate) rules: Utf8PathBuf,
    /// The number, which the socket's name has too.
    pub(crate) number: u16,
}

/// Makes the password and the rules, and finds a port: that of the last server, if it can be.
pub(crate) fn prepare(cluster: &ClusterContext, run_as: Option<&OsUser>) -> Result<Port, ClusterError> {
    make_password(cluster, run_as)?;
    let failed = cluster.failed("let others in to");
    let own = atomic::read(&cluster.directory.join("pg_hba.conf"), LIMIT).map_err(&failed)?;
    let rules = cluster.project.amp_dir().join("metadb.hba");
    atomic::write_private(&rules, rules_from(&String::from_utf8_lossy(&own)).as_bytes()).map_err(&failed)?;
    give(&rules, run_as).map_err(&failed)?;
    // 5432 is what a server without a port was started with.
    let last = if was_on(cluster)? {
        last_port(cluster)?
    } else {
        None
    };
    let number = free_port(last).map_err(cluster.failed("find a port for the server of"))?;
    Ok(Port { rules, number })
}

/// The cluster's rules for sockets as they are, and a password for whoever comes over the loopback interface
/// (<https://www.postgresql.org/docs/current/auth-pg-hba-conf.html>). ampd's initdb trusts those without one.
fn rules_from(own: &str) -> String {
    let local = own
        .lines()
        .filter(|line| line.split_whitespace().next() == Some("local"));
    let local: Vec<&str> = local.collect();
    format!("{}\nhost all all {LOOPBACK}/32 scram-sha-256\n", local.join("\n"))
}

/// Returns true if the last server had a port.
pub(crate) fn was_on(cluster: &ClusterContext) -> Result<bool, ClusterError> {
    if cluster.reach == Reach::Loopback {
        return Ok(false);
    }
    let options = files::last_options(&cluster.directory).map_err(cluster.failed("read the options of"))?;
    Ok(options.contains("hba_file="))
}

/// Gives the superuser the password that is written down. Nothing of it comes into the server's log.
pub(crate) fn let_in(
    cluster: &ClusterContext,
    session: &mut SqlSession,
    role: &str,
) -> Result<(), ClusterError> {
    let Some(password) = password(cluster) else {
        return Ok(());
    };
    let name = role.replace('"', "\"\"");
    let statements = [
        "set log_statement = none".to_owned(),
        "set log_min_error_statement = panic".to_owned(),
        "set log_min_duration_statement = -1".to_owned(),
        "set password_encryption = 'scram-sha-256'".to_owned(),
        format!("alter role \"{name}\" password '{}'", password.reveal()),
    ];
    for statement in statements {
        session.query(&statement).map_err(|cause| ClusterError::Refused {
            cluster: cluster.directory.clone(),
            code: String::new(),
            message: cause.to_string(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_over_the_network_without_a_password() {
        let own =
            "# comment\nlocal all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n";
        assert_eq!(
            rules_from(own),
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        );
    }
}
