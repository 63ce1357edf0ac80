//! The catalog in a real Chromium: typed into, at the width of a phone, and in the dark.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use camino::Utf8Path;
use serde_json::{Value, json};

use super::{embedded, written};
use crate::support::{programs, world::World};

/// A browser without a window, driven by the WebDriver protocol (<https://www.w3.org/TR/webdriver2/>).
struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    fn start(world: &World) -> Option<Self> {
        let chromium = programs::find("chromium")?;
        let mut driver = Command::new(programs::find("chromedriver")?)
            .arg("--port=0")
            .env("HOME", world.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let output = BufReader::new(driver.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self {
            driver,
            port: port.expect("it says its port"),
            session: String::new(),
        };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", world.join("profile")),
        ];
        let options = json!({"binary": chromium, "args": arguments});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let session = browser.ask("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// One command of the session.
    fn tell(&self, command: &str, arguments: &Value) -> Value {
        self.ask("POST", &format!("/session/{}/{command}", self.session), arguments)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("set");
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}",
            self.port
        );
        stream.write_all(request.as_bytes()).expect("sent");
        // It keeps the connection open, whatever it was asked.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).expect("a head");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).expect("a body");
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{path}: {value}");
        value
    }

    fn open(&self, page: &Utf8Path) {
        self.tell("url", &json!({"url": format!("file://{page}")}));
    }

    /// The value of an expression in the page.
    fn look(&self, expression: &str) -> Value {
        self.tell(
            "execute/sync",
            &json!({"script": format!("return {expression}"), "args": []}),
        )
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.tell("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn resize(&self, width: u32) {
        let metrics = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    fn scheme(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    }

    fn type_into(&self, selector: &str, text: &str) {
        let found = self.tell("element", &json!({"using": "css selector", "value": selector}));
        let id = found
            .as_object()
            .and_then(|one| one.values().next())
            .and_then(Value::as_str);
        let id = id.expect("an element");
        self.tell(&format!("element/{id}/clear"), &json!({}));
        self.tell(&format!("element/{id}/value"), &json!({"text": text}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let path = format!("/session/{}", self.session);
            // A test that fails already must not fail again.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.ask("DELETE", &path, &json!({}))
            }));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The contrast of two colours as `rgb(r, g, b)` (WCAG 2.2).
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let inside = colour.trim_start_matches("rgb(").trim_end_matches(')');
        let parts = inside
            .split(", ")
            .map(|part| part.parse::<f64>().expect("a number") / 255.0);
        let linear = parts.map(|part| {
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        linear
            .zip([0.2126, 0.7152, 0.0722])
            .map(|(part, weight)| part * weight)
            .sum::<f64>()
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn a_browser_shows_the_catalog_on_every_screen_and_searches_in_it() {
    let world = World::new();
    let Some(browser) = Browser::start(&world) else {
        return;
    };
    let site = written(&embedded(), &world.join("site"));
    let pages = [
        "index.html",
        "components/postgres.html",
        "components/postgres/18.6.0.html",
        "components/ampd.html",
    ];
    let mut wrong = Vec::new();
    for page in pages {
        browser.open(&site.join(page));
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            for width in [320, 390, 768, 1280] {
                browser.resize(width);
                let scrolls = browser.look("document.scrollingElement.scrollWidth - window.innerWidth");
                if scrolls.as_i64().expect("a number") > 0 {
                    wrong.push(format!("{page} at {width}: {scrolls} wider than the screen"));
                }
            }
            // Each text is to be read on what is behind it.
            let colours = browser.look(
                "Array.from(document.querySelectorAll('body *')).filter((one) => one.offsetParent && \
                 Array.from(one.childNodes).some((node) => node.nodeType === 3 && node.data.trim())).map((one) => { \
                 let behind = one; while (behind && /, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) \
                 behind = behind.parentElement; return [one.tagName, getComputedStyle(one).color, \
                 getComputedStyle(behind || document.documentElement).backgroundColor]; })",
            );
            let colours = colours.as_array().expect("a list");
            assert!(colours.len() > 10, "{page} has texts");
            for colour in colours {
                let part = |at: usize| colour[at].as_str().expect("a colour");
                if contrast(part(1), part(2)) < 4.5 {
                    wrong.push(format!("{page}, {scheme}: {colour}"));
                }
            }
        }
        let background = |scheme: &str| {
            browser.scheme(scheme);
            browser.look("getComputedStyle(document.body).backgroundColor")
        };
        if background("light") == background("dark") {
            wrong.push(format!("{page} is not dark"));
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");

    browser.open(&site.join("index.html"));
    let rows = "Array.from(document.querySelectorAll('tbody tr')).filter((row) => row.offsetParent).map((row) => row.cells[0].innerText.trim())";
    let all = browser.look(rows).as_array().expect("a list").len();
    assert!(all > 50, "{all}");
    browser.type_into("#search", "18.6 theseus");
    let found = browser.look(rows);
    let found: Vec<&str> = found
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        found.len() == 1 && found[0].starts_with("PostgreSQL 18.6"),
        "{found:?}"
    );
    browser.type_into("#search", "CVE-2026-14669");
    assert!(browser.look(rows).as_array().expect("a list").len() < all);
    browser.type_into("#search", "no such thing");
    assert_eq!(
        browser.look("document.querySelector('output').innerText"),
        "nothing found"
    );
    assert_eq!(browser.look(rows), json!([]));
    browser.tell("refresh", &json!({}));
    assert_eq!(browser.look(rows).as_array().expect("a list").len(), all);
}
