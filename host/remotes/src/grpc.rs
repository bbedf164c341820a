//! A connection to a gRPC server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::address::Address;
use crate::{Failure, limits};

/// Returns a connection to `grpc://host:port` or, with TLS, `grpcs://host:port`, which is
/// made by the first call. Has to be called inside of a [`crate::runtime::Runtime`].
///
/// # Errors
/// The address names no server.
pub fn channel(address: &Address) -> Result<Channel, Failure> {
    let is_encrypted = address.url.scheme() == "grpcs";
    let scheme = if is_encrypted { "https" } else { "http" };
    let failed = |error: tonic::transport::Error| Failure::new(crate::described(&error));
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", address.authority()?)).map_err(failed)?;
    if is_encrypted {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(failed)?;
    }
    Ok(endpoint.connect_timeout(limits::CONNECT_TIMEOUT).connect_lazy())
}

/// Returns what each request says of the user: a token, or `USER:PASSWORD`.
///
/// # Errors
/// The token cannot be sent.
pub fn authorization(credentials: &str) -> Result<MetadataValue<Ascii>, Failure> {
    let header = match credentials.contains(':') {
        true => format!("Basic {}", STANDARD.encode(credentials)),
        false => format!("Bearer {credentials}"),
    };
    let mut value: MetadataValue<Ascii> =
        header.parse().map_err(|_| Failure::new("the token has a character that no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Says what a server answers that is no success.
pub fn described(status: &Status) -> String {
    let text = format!("{}: {}", status.code().description(), status.message());
    match std::error::Error::source(status) {
        Some(cause) => format!("{text}: {}", crate::described(cause)),
        None => text,
    }
}
