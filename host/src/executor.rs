//! A remote executor: a server of the Remote Execution API (REAPI v2) where the
//! compiler runs instead of on this machine. What it is asked, and what it answers;
//! the protocol is the embedder's, and so is the network.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::report::{Frontend, Level};

/// What the setting has to be.
pub const EXPECTED: &str = "grpc://HOST:PORT[/INSTANCE][?PROPERTY=VALUE&…]";

/// How long a process does without an executor that failed: each try may wait for an answer.
const PAUSE: Duration = Duration::from_secs(60);

/// Where an executor is, as `ZIGIMPORT_REMOTE_EXECUTOR` says. Shown without its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    credentials: Option<String>,
    authority: String,
    instance: String,
    properties: Vec<(String, String)>,
}

impl Address {
    /// Reads the setting.
    ///
    /// # Errors
    /// It is none; returns as much of it as may be shown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let shown = |rest: &str| match rest.rsplit_once('@') {
            Some((_, rest)) => format!("{scheme}://…@{rest}"),
            None => text.to_owned(),
        };
        let Some(scheme) = ["grpc", "grpcs"].into_iter().find(|known| *known == scheme) else {
            return Err(shown(rest));
        };
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, instance) = before.split_once('/').unwrap_or((before, ""));
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials.to_owned()), authority),
            None => (None, authority),
        };
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let properties: Option<Vec<(String, String)>> = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty())?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        let Some(mut properties) = properties.filter(|_| has_port) else { return Err(shown(rest)) };
        // The protocol wants them sorted.
        properties.sort();
        let (authority, instance) = (authority.to_owned(), instance.trim_end_matches('/').to_owned());
        Ok(Self { scheme, credentials, authority, instance, properties })
    }

    /// Returns scheme, host and port: what to connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Returns the name of the instance, which may be empty.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns what stands before the host: a token, or `USER:PASSWORD`.
    #[must_use]
    pub fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }

    /// Returns what a worker has to have, sorted by name.
    #[must_use]
    pub fn properties(&self) -> &[(String, String)] {
        &self.properties
    }

    /// Makes the error of an executor that gave no answer to go on with.
    pub(crate) fn error(&self, module: &str, reason: String) -> Error {
        Error::Executor { module: module.to_owned(), address: self.to_string(), reason }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { "…@" } else { "" };
        let slash = if self.instance.is_empty() { "" } else { "/" };
        write!(formatter, "{}://{credentials}{}{slash}{}", self.scheme, self.authority, self.instance)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A command with all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it runs, below the folder of the files.
    pub directory: String,
    /// The files: a path with `/`, and the content.
    pub files: Vec<(String, Vec<u8>)>,
    /// The files and folders to bring back, relative to `directory`.
    pub outputs: Vec<String>,
    /// Whether an answer that the server has already does not do.
    pub is_fresh: bool,
    /// How long it may take, with all waiting.
    pub time_max: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Exit code.
    pub exit_code: i32,
    /// Standard error.
    pub text: Vec<u8>,
    /// Those of the outputs that there are, each file by its path relative to the
    /// task's `directory`; the content has the digest that the server states.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether the server had the answer already.
    pub is_cached: bool,
    /// Digest of the action, as the server knows it.
    pub action: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server is not reached, breaks off, refuses, or answers what cannot be; or
    /// what speaks to it is not installed.
    Failed(String),
    /// The user asked to stop.
    Interrupted,
}

/// What speaks to servers is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// A clause for a person.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Speaks to servers.
pub trait Executor: Sync {
    /// Returns why nothing can be asked of any server, and what mends that.
    fn missing(&self) -> Option<Missing>;

    /// Runs a task. `told` is called while waiting with what the server is at, and
    /// says whether to go on.
    ///
    /// # Errors
    /// There is no answer.
    fn execute(&self, address: &Address, task: &Task, told: &dyn Fn(&str) -> bool) -> Result<Done, Fault>;
}

/// Speaks to nobody: for callers without a network.
pub struct NoExecutor;

impl Executor for NoExecutor {
    fn missing(&self) -> Option<Missing> {
        None
    }

    fn execute(&self, _address: &Address, _task: &Task, _told: &dyn Fn(&str) -> bool) -> Result<Done, Fault> {
        Err(Fault::Failed("this program speaks to no executor".to_owned()))
    }
}

/// The executor that failed last in this process, when, and why.
static FAILED: Mutex<Option<(Address, Instant, String)>> = Mutex::new(None);

/// Returns why an executor is not asked at the moment.
pub(crate) fn pause(address: &Address, module: &str) -> Option<Error> {
    let failed = FAILED.lock().ok()?;
    let (failed, when, reason) = failed.as_ref()?;
    (failed == address && when.elapsed() < PAUSE).then(|| address.error(module, reason.clone()))
}

/// Remembers that an executor failed, and makes the error of it.
pub(crate) fn failed(address: &Address, module: &str, reason: String) -> Error {
    if let Ok(mut failed) = FAILED.lock() {
        *failed = Some((address.clone(), Instant::now(), reason.clone()));
    }
    address.error(module, reason)
}

/// Says that the compiler runs here instead, once for a process and a reason.
pub(crate) fn warn(frontend: &dyn Frontend, error: &Error) {
    static WARNED: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());
    let Error::Executor { address, reason, .. } = error else { return };
    let is_new = WARNED.lock().is_ok_and(|mut warned| warned.insert((address.clone(), reason.clone())));
    frontend.report(if is_new { Level::Warning } else { Level::Debug }, format!("{error}; compiling on this machine"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        let address = Address::parse("grpc://me:word@host:8980/main/?OSFamily=linux&ISA=x86-64").unwrap();
        assert_eq!(address.to_string(), "grpc://…@host:8980/main");
        assert_eq!(format!("{address:?}"), address.to_string());
        assert_eq!((address.url().as_str(), address.instance()), ("grpc://host:8980", "main"));
        assert_eq!(address.credentials(), Some("me:word"));
        assert_eq!(address.properties(), [("ISA".into(), "x86-64".into()), ("OSFamily".into(), "linux".into())]);
        let address = Address::parse("grpcs://[::1]:443").unwrap();
        assert_eq!(
            (address.url().as_str(), address.instance(), address.credentials()),
            ("grpcs://[::1]:443", "", None)
        );
    }

    #[test]
    fn what_is_no_address_is_refused_and_shown_without_credentials() {
        for wrong in [
            "host:1",
            "http://me:word@host:1",
            "grpc://me:word@host",
            "grpc://word@host:0",
            "grpc://:1",
            "grpc://h:1?x",
        ] {
            let shown = Address::parse(wrong).unwrap_err();
            assert!(!shown.contains("word") && shown.contains(wrong.rsplit('@').next().unwrap()), "{shown}");
        }
    }
}
