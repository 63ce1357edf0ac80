//! The name of a server, as it is shown and remembered.

use url::Url;

/// The host with its port where that is unusual. What is out of reach is remembered under this name.
pub(super) fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "this machine".to_owned(),
    }
}
