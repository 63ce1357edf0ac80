//! The http clients: made when something is first asked of the web. Only the one for https reads whom to trust.

use std::sync::{Arc, OnceLock};

use reqwest::{Client, redirect};
use rustls::ClientConfig;
use url::Url;

use super::{Limits, proxy::Proxies, tls};
use crate::env::Env;

/// The http clients of a run.
#[derive(Default)]
pub(super) struct Clients {
    plain: OnceLock<Result<Client, String>>,
    secure: OnceLock<Result<Client, String>>,
}

impl Clients {
    /// The client for an address. `warn` is told what of the environment could not be used.
    ///
    /// # Errors
    /// When it cannot be made, in words.
    pub(super) fn of(
        &self,
        url: &Url,
        env: &Env,
        proxies: &Arc<Proxies>,
        limits: &Limits,
        warn: impl FnMut(String),
    ) -> Result<&Client, String> {
        let is_https = |url: &Url| url.scheme() == "https";
        let proxy = proxies.of(url).and_then(|proxy| proxy.address.as_ref().ok());
        let (slot, is_secure) = if is_https(url) || proxy.is_some_and(is_https) {
            (&self.secure, true)
        } else {
            (&self.plain, false)
        };
        slot.get_or_init(|| {
            let tls = if is_secure {
                tls::config(env, warn)
            } else {
                tls::of_nobody()
            };
            client(tls, proxies, limits)
        })
        .as_ref()
        .map_err(String::clone)
    }
}

fn client(tls: ClientConfig, proxies: &Arc<Proxies>, limits: &Limits) -> Result<Client, String> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("ampup/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        // Followed by us: the rules for where they may lead are ours.
        .redirect(redirect::Policy::none())
        .referer(false);
    // There the system's settings may name one; elsewhere there is only the environment.
    if proxies.are_named() || !cfg!(any(windows, target_os = "macos")) {
        let proxies = proxies.clone();
        let of = move |url: &Url| proxies.of(url).and_then(|proxy| proxy.address.clone().ok());
        builder = builder.no_proxy().proxy(reqwest::Proxy::custom(of));
    }
    builder
        .build()
        .map_err(|cause| format!("the http client cannot be made ({})", cause.without_url()))
}
