//! A server that takes `PUT` and gives by `GET`: WebDAV, and less.

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use crate::address::Address;
use crate::limits::{self, Collected};
use crate::{Failure, Name};

/// No redirection leads further.
const REDIRECTS_MAX: usize = 3;

/// Returns what all requests of a process go through.
///
/// # Errors
/// The certificates of the system cannot be read.
pub fn client() -> Result<Client, Failure> {
    // Proxies as the environment names them, and the system's certificates.
    let builder = Client::builder()
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX))
        .user_agent(concat!("zigimport/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| Failure::new(crate::described(&error)))
}

/// A folder of a server.
pub struct Server {
    client: Client,
    folder: Url,
    address: Address,
}

impl Server {
    /// Takes the folder that an address names.
    ///
    /// # Errors
    /// There is no client.
    pub fn new(address: Address) -> Result<Self, Failure> {
        let mut folder = address.url.clone();
        folder.set_path(&format!("{}/", address.path()));
        Ok(Self { client: client()?, folder, address })
    }

    /// Returns a blob.
    ///
    /// # Errors
    /// As for [`crate::Transport::get`].
    pub async fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let mut response = limits::answer(self.request(Method::GET, &name.path())?.send()).await?.map_err(failed)?;
        if is_absent(response.status()) {
            return Ok(None);
        }
        accepted(&response)?;
        let mut collected = Collected::new(name.bytes_max());
        collected.expect(response.content_length().unwrap_or(0))?;
        while let Some(piece) = limits::answer(response.chunk()).await?.map_err(failed)? {
            collected.take(&piece)?;
        }
        Ok(Some(collected.finish()))
    }

    /// Returns whether a blob is there.
    ///
    /// # Errors
    /// As for [`crate::Transport::has`].
    pub async fn has(&self, name: &Name) -> Result<bool, Failure> {
        let response = limits::answer(self.request(Method::HEAD, &name.path())?.send()).await?.map_err(failed)?;
        if is_absent(response.status()) {
            return Ok(false);
        }
        accepted(&response).map(|()| true)
    }

    /// Puts a blob there.
    ///
    /// # Errors
    /// As for [`crate::Transport::put`].
    pub async fn put(&self, name: &Name, content: Bytes) -> Result<(), Failure> {
        let put = || async {
            let request = self.request(Method::PUT, &name.path())?.body(content.clone());
            request.send().await.map_err(failed)
        };
        let response = put().await?;
        let status = response.status();
        if status.is_success() || status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return accepted(&response);
        }
        // Servers answer differently where the folder is missing.
        self.make_folders(&name.path()).await?;
        accepted(&put().await?)
    }

    /// Makes the folders above a blob, where the server has such.
    async fn make_folders(&self, path: &str) -> Result<(), Failure> {
        let whole = format!("{}{path}", self.folder.path());
        for (end, _) in whole.match_indices('/').skip(1) {
            let mut folder = self.folder.clone();
            folder.set_path(&whole[..=end]);
            let method = Method::from_bytes(b"MKCOL").map_err(|error| Failure::new(error.to_string()))?;
            // One that is there is an error too: what matters is whether the blob can be put.
            limits::answer(self.authorized(self.client.request(method, folder)).send()).await?.map_err(failed)?;
        }
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let url = self.folder.join(path).map_err(|error| Failure::new(error.to_string()))?;
        Ok(self.authorized(self.client.request(method, url)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.address.user {
            Some(user) => request.basic_auth(user, self.address.password.as_ref()),
            None => request,
        }
    }
}

fn is_absent(status: StatusCode) -> bool {
    status == StatusCode::NOT_FOUND || status == StatusCode::GONE
}

/// Refuses an answer that says no.
fn accepted(response: &Response) -> Result<(), Failure> {
    let status = response.status();
    let failure = Failure::new(format!("the server answered {status}"));
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_server_error() => Err(failure.again()),
        _ => Err(failure),
    }
}

fn failed(error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        return limits::silence();
    }
    // A connection that was kept and that the server has closed meanwhile, above all.
    Failure::new(crate::described(&error.without_url())).again()
}
