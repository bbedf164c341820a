//! S3 and Redis, by OpenDAL.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::services::{Redis, S3};
use opendal::{Builder, Error, ErrorKind, HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;

use crate::address::Address;
use crate::limits::{self, Collected};
use crate::{Failure, Name, http};

/// Keys in Redis start with it, where others may be too.
const REDIS_PREFIX: &str = "/zigimport";
const REDIS_PORT: u16 = 6379;

/// A part of a bucket or database.
pub struct Bucket {
    operator: Operator,
    /// Where a database is: its client does not say that nobody listens there.
    database: Option<String>,
    /// Whether it may be that there is no such bucket.
    is_doubtful: AtomicBool,
}

impl Bucket {
    /// `s3://bucket/prefix`, with the variables that AWS's own tools read.
    ///
    /// # Errors
    /// Something is missing.
    pub fn s3(address: &Address) -> Result<Self, Failure> {
        let mut builder = S3::default().bucket(&address.authority()?).root(address.path()).disable_ec2_metadata();
        if let (Some(user), Some(password)) = (&address.user, &address.password) {
            builder = builder.access_key_id(user).secret_access_key(password);
        }
        Self::new(builder, None)
    }

    /// `redis://host:port/database`, or `rediss` with TLS.
    ///
    /// # Errors
    /// The database is no number.
    pub fn redis(address: &Address) -> Result<Self, Failure> {
        let database = address.path().trim_start_matches('/');
        let database = match database.is_empty() {
            true => 0,
            false => database.parse().map_err(|_| Failure::new("expected the number of a database after the host"))?,
        };
        let endpoint = format!("{}://{}", address.url.scheme(), address.authority()?);
        let mut builder = Redis::default().endpoint(&endpoint).db(database).root(REDIS_PREFIX);
        if let Some(user) = &address.user {
            builder = builder.username(user);
        }
        if let Some(password) = &address.password {
            builder = builder.password(password);
        }
        let authority = address.authority()?;
        let has_port = address.url.port().is_some();
        Self::new(builder, Some(if has_port { authority } else { format!("{authority}:{REDIS_PORT}") }))
    }

    fn new(builder: impl Builder, database: Option<String>) -> Result<Self, Failure> {
        let operator = Operator::new(builder).map_err(|error| match error.message() {
            message if message.starts_with("region is missing") => {
                Failure::new("the region of the bucket is not known; set AWS_REGION")
            }
            _ => failed(&error),
        })?;
        let transport = HttpTransporter::new(ReqwestTransport::new(http::client()?));
        let operator = operator.with_context(OperationContext::new().with_http_transport(transport));
        Ok(Self { operator, is_doubtful: AtomicBool::new(database.is_none()), database })
    }

    /// Returns a blob.
    ///
    /// # Errors
    /// As for [`crate::Transport::get`].
    pub async fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let path = name.path();
        let Some(bytes) = self.size(&path).await? else { return Ok(None) };
        let mut collected = Collected::new(name.bytes_max());
        collected.expect(bytes)?;
        let open = async { self.operator.reader(&path).await?.into_bytes_stream(0..bytes).await };
        let mut pieces = limits::answer(open).await?.map_err(|error| failed(&error))?;
        loop {
            let piece = limits::answer(pieces.try_next()).await?;
            let piece = piece.map_err(|error| Failure::new(crate::described(&error)).again())?;
            let Some(piece) = piece else { return Ok(Some(collected.finish())) };
            collected.take(&piece)?;
        }
    }

    /// Returns whether a blob is there.
    ///
    /// # Errors
    /// As for [`crate::Transport::has`].
    pub async fn has(&self, name: &Name) -> Result<bool, Failure> {
        Ok(self.size(&name.path()).await?.is_some())
    }

    async fn size(&self, path: &str) -> Result<Option<u64>, Failure> {
        let answer = match limits::answer(self.operator.stat(path)).await {
            Ok(answer) => answer,
            Err(silence) => return Err(self.refusal().await.unwrap_or(silence)),
        };
        match answer {
            Ok(metadata) => Ok(Some(metadata.content_length())),
            Err(error) if error.kind() == ErrorKind::NotFound => self.check_bucket(path).await.map(|()| None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Returns how a database refuses a connection, if it does.
    async fn refusal(&self) -> Option<Failure> {
        let connected = limits::answer(tokio::net::TcpStream::connect(self.database.as_deref()?)).await.ok()?;
        connected.err().map(|error| Failure::new(error.to_string()))
    }

    /// Tells a bucket that is not there from a blob that is not: the answer to a question
    /// without a body has no room for that. Asks once.
    async fn check_bucket(&self, path: &str) -> Result<(), Failure> {
        if !self.is_doubtful.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        match limits::answer(self.operator.read(path)).await? {
            Err(error) if error.message().contains("NoSuchBucket") => {
                self.is_doubtful.store(true, Ordering::Relaxed);
                Err(Failure::new("there is no such bucket"))
            }
            _ => Ok(()),
        }
    }

    /// Puts a blob there.
    ///
    /// # Errors
    /// As for [`crate::Transport::put`].
    pub async fn put(&self, name: &Name, content: Bytes) -> Result<(), Failure> {
        let path = name.path();
        self.operator.write(&path, content).await.map(drop).map_err(|error| failed(&error))
    }
}

/// Says the kind and the causes; the rest has addresses and headers in it.
fn failed(error: &Error) -> Failure {
    let mut text = format!("{}: {}", error.kind(), error.message());
    if let Some(cause) = std::error::Error::source(error) {
        text = format!("{text}: {}", crate::described(cause));
    }
    let failure = Failure::new(text);
    if error.is_temporary() { failure.again() } else { failure }
}
