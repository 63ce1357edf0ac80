//! The addresses that ampd listens on, and who has one of them already.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use camino::Utf8Path;

use super::{Finding, ampd_settings};
use crate::{env::Env, fs::reason, postgres::user::OsUser};

/// The addresses that ampd listens on: the variable and the key of its `config.toml` that move it, and the default.
const ADDRESSES: &[(&str, &str, &str)] = &[
    ("AMP_CONFIG_FLIGHT_ADDR", "flight_addr", "0.0.0.0:1602"),
    ("AMP_CONFIG_JSONL_ADDR", "jsonl_addr", "0.0.0.0:1603"),
    ("AMP_CONFIG_ADMIN_API_ADDR", "admin_api_addr", "0.0.0.0:1610"),
];

/// Tries each of ampd's addresses.
pub(super) fn check(amp_dir: &Utf8Path, env: &Env) -> Vec<Finding> {
    let settings = ampd_settings::table(amp_dir, env);
    let taken = ADDRESSES.iter().filter_map(|(variable, key, default)| {
        // One that is empty is no address to ampd.
        let given = env.variables().find(|(name, _)| name == variable);
        let given = given.map(|(_, value)| value.to_string_lossy().into_owned());
        let address = given
            .or_else(|| Some(settings.get(*key)?.as_str()?.to_owned()))
            .unwrap_or_else(|| (*default).to_owned());
        let Ok(address) = address.parse::<SocketAddr>() else {
            return Some(Finding::problem(
                "ports",
                format!("`{address}` is no address that ampd could listen on (`{variable}`, or `{key}` in its settings)"),
                format!("`export {variable}={default}`"),
            ));
        };
        let cause = TcpListener::bind(address).err()?;
        Some(finding(address, variable, &cause))
    });
    taken.collect()
}

fn finding(address: SocketAddr, variable: &str, cause: &io::Error) -> Finding {
    let remedy = format!("`export {variable}={}:0`, or another port", address.ip());
    if cause.kind() != io::ErrorKind::AddrInUse {
        return Finding::problem(
            "ports",
            format!("ampd cannot listen on `{address}`: {}", reason(cause)),
            remedy,
        );
    }
    let (who, remedy) = match listener(address.port()) {
        Some(Listener::Process(pid, name)) => (
            format!("process {pid} (`{name}`)"),
            format!("end process {pid}, or {remedy}"),
        ),
        Some(Listener::OfUser(uid)) => {
            let user = OsUser::by_uid(uid).map_or_else(|_| uid.to_string(), |user| user.name);
            (format!("a process of user `{user}`"), remedy)
        }
        None => ("another process".to_owned(), remedy),
    };
    let text = format!("ampd listens on port {}, which {who} has", address.port());
    Finding::problem("ports", text, remedy)
}

/// Who listens on a port.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "other systems do not tell")
)]
enum Listener {
    /// A process that this user may look at, and its name.
    Process(u32, String),
    /// A process of this user's.
    OfUser(u32),
}

/// The process that listens on a port, as far as this user may know it
/// (<https://man7.org/linux/man-pages/man5/proc_net_tcp.5.html>).
#[cfg(target_os = "linux")]
fn listener(port: u16) -> Option<Listener> {
    use fs_err as fs;
    let (uid, inode) = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| table.lines().find_map(|line| socket_of(line, port)))?;
    let socket = format!("socket:[{inode}]");
    let processes = Utf8Path::new("/proc").read_dir_utf8().ok()?.flatten();
    let mut processes = processes.into_iter();
    let process = processes.find_map(|process| {
        let pid: u32 = process.file_name().parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let has = descriptors.any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == socket.as_str())
        });
        let name = || fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        has.then(|| Listener::Process(pid, name().trim().to_owned()))
    });
    process.or(Some(Listener::OfUser(uid)))
}

#[cfg(not(target_os = "linux"))]
fn listener(_: u16) -> Option<Listener> {
    None
}

/// The user and the inode of the socket in a line of the table, if it listens on this port.
#[cfg(target_os = "linux")]
fn socket_of(line: &str, port: u16) -> Option<(u32, u64)> {
    const LISTENS: &str = "0A";
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let found = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    let state = fields.nth(1)?;
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    (found == port && state == LISTENS).then_some((uid, inode))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_whose_a_socket_is() {
        let line = "   0: 0100007F:0642 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0";
        assert_eq!(socket_of(line, 1602), Some((1000, 4711)));
        assert_eq!(socket_of(line, 1603), None);
        assert_eq!(socket_of(&line.replace(" 0A ", " 01 "), 1602), None);
    }

    #[test]
    fn whoever_has_a_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = taken.local_addr().expect("an address").to_string();
        let env = Env::from_variables([("AMP_CONFIG_FLIGHT_ADDR", address.as_str())], "/");
        let findings = check(Utf8Path::new("/nowhere"), &env);
        let ours = format!("process {} ", std::process::id());
        assert!(
            findings.iter().any(|finding| finding.text.contains(&ours)),
            "{findings:?}"
        );
        drop(taken);
        let findings = check(Utf8Path::new("/nowhere"), &env);
        assert!(
            findings.iter().all(|finding| !finding.text.contains(&ours)),
            "{findings:?}"
        );
    }
}
