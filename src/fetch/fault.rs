//! Who is at fault when no answer comes.

use std::fmt;

use url::Url;

use super::{authority, proxy::Proxy};
use crate::settings::SetBy;

/// Who is at fault when no answer comes. As text it is the subject of the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A host, as far as is known; its port where that is unusual.
    Host {
        /// Its name.
        name: String,
        /// Where it is named as the mirror, if it is one.
        mirror: Option<SetBy>,
        /// A proxy would have been asked for it, had its name been known here.
        is_proxied: bool,
    },
    /// The proxy that a variable names.
    Proxy {
        /// The variable.
        variable: &'static str,
        /// Its host and port; `None` if the value is not an address.
        address: Option<String>,
    },
    /// The way through a proxy to one host: one of the two is at fault, and nobody can say which.
    Through {
        /// The host, in words.
        host: String,
        /// The variable that names the proxy.
        variable: &'static str,
        /// The proxy's host and port.
        address: String,
    },
}

impl Fault {
    pub(super) fn of_proxy(proxy: &Proxy) -> Self {
        Self::Proxy {
            variable: proxy.variable,
            address: proxy.address.as_ref().ok().map(authority::host),
        }
    }

    /// A host that is asked without a proxy.
    pub(super) fn of_host(url: &Url, mirror: Option<SetBy>) -> Self {
        Self::Host {
            name: authority::host(url),
            mirror,
            is_proxied: false,
        }
    }

    /// A host whose name was looked up here for a proxy.
    pub(super) fn looked_up(mut self) -> Self {
        if let Self::Host { is_proxied, .. } = &mut self {
            *is_proxied = true;
        }
        self
    }

    /// The same host, asked through a proxy.
    pub(super) fn through(proxy: &Proxy, host: &Self) -> Self {
        Self::Through {
            host: host.to_string(),
            variable: proxy.variable,
            address: proxy.address.as_ref().map(authority::host).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host {
                name,
                mirror: Some(_),
                ..
            } => write!(f, "the mirror `{name}`"),
            Self::Host { name, .. } => write!(f, "`{name}`"),
            Self::Proxy {
                variable,
                address: Some(address),
            } => write!(f, "the proxy `{address}` (`{variable}`)"),
            Self::Proxy {
                variable,
                address: None,
            } => write!(f, "the proxy of `{variable}`"),
            Self::Through {
                host,
                variable,
                address,
            } => write!(f, "{host} through the proxy `{address}` (`{variable}`)"),
        }
    }
}
