//! The http client: made once a run, when something is first asked of the web.

use reqwest::{Client, NoProxy, Proxy, redirect};

use super::{Limits, tls};
use crate::env::Env;

/// Makes the client. `warn` is told what of the environment could not be used.
///
/// # Errors
/// When it cannot be made, in words.
pub(super) fn client(env: &Env, limits: &Limits, warn: impl FnMut(String)) -> Result<Client, String> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(env, warn))
        .user_agent(concat!("ampup/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        // Followed by us: the rules for where they may lead are ours.
        .redirect(redirect::Policy::none())
        .referer(false);
    match proxies(env)? {
        Some(proxies) => {
            builder = proxies
                .into_iter()
                .fold(builder.no_proxy(), reqwest::ClientBuilder::proxy);
        }
        // There the system's settings may name one; elsewhere there is only the environment, which is read already.
        None if cfg!(any(windows, target_os = "macos")) => {}
        None => builder = builder.no_proxy(),
    }
    builder
        .build()
        .map_err(|cause| format!("the http client cannot be made ({})", cause.without_url()))
}

/// The proxies that the environment names; `None` where it names none.
fn proxies(env: &Env) -> Result<Option<Vec<Proxy>>, String> {
    let of = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, env.var(name)?)));
    let all = of(["all_proxy", "ALL_PROXY"]);
    let https = of(["https_proxy", "HTTPS_PROXY"]).or(all);
    // In a CGI program HTTP_PROXY is the `Proxy` header of whoever asks (httpoxy.org).
    let http = match env.var("REQUEST_METHOD") {
        Some(_) => of(["http_proxy", "http_proxy"]),
        None => of(["http_proxy", "HTTP_PROXY"]),
    }
    .or(all);
    let except = of(["no_proxy", "NO_PROXY"]).and_then(|(_, hosts)| NoProxy::from_string(hosts));
    if https.is_none() && http.is_none() {
        return Ok(None);
    }
    let mut proxies = Vec::new();
    type Make = fn(String) -> reqwest::Result<Proxy>;
    for (named, make) in [(https, Proxy::https as Make), (http, Proxy::http as Make)] {
        if let Some((variable, address)) = named {
            let proxy = make(address.to_owned())
                .map_err(|_| format!("`{variable}` does not name a proxy that can be used"))?;
            proxies.push(proxy.no_proxy(except.clone()));
        }
    }
    Ok(Some(proxies))
}
