//! What a URL says: where the server is, and as whom to speak to it.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::Failure;

/// A URL, with what is secret apart from it.
#[derive(Clone)]
pub struct Address {
    /// Without user, password, query and fragment.
    pub url: Url,
    /// The user's name.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
}

impl Address {
    /// Reads a URL; what it does not say of the user is taken from `user` and `password`.
    ///
    /// # Errors
    /// It is none. What the URL is, is not said.
    pub fn parse(text: &str, user: Option<String>, password: Option<String>) -> Result<Self, Failure> {
        let wrong = |reason: &dyn std::fmt::Display| Failure::new(format!("it is no URL ({reason})"));
        let mut url = Url::parse(text).map_err(|error| wrong(&error))?;
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let own_user = Some(url.username()).filter(|user| !user.is_empty()).map(decoded);
        let own_password = url.password().map(decoded);
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Failure::new("a URL of a shared cache has no `?` and no `#`; in a password write %3F and %23"));
        }
        if own_user.is_some() || own_password.is_some() {
            url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| wrong(&"it has no host"))?;
        }
        Ok(Self { url, user: own_user.or(user), password: own_password.or(password) })
    }

    /// Returns the path without a slash at its end.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Returns the host, as it is written in a URL, and the port if one is named.
    ///
    /// # Errors
    /// There is no host.
    pub fn authority(&self) -> Result<String, Failure> {
        let host = self.url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| Failure::new("the URL names no host"))?;
        Ok(self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}
