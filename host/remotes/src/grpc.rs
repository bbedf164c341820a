//! A connection to a gRPC server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

/// Returns what each request says of the user, for servers behind a proxy that asks.
///
/// # Errors
/// The password cannot be sent.
pub fn authorization(address: &Address) -> Result<Option<MetadataValue<Ascii>>, Failure> {
    let Some(user) = &address.user else { return Ok(None) };
    let both = format!("{user}:{}", address.password.as_deref().unwrap_or_default());
    let mut value: MetadataValue<Ascii> = format!("Basic {}", STANDARD.encode(both))
        .parse()
        .map_err(|_| Failure::new("the user's name or password cannot be sent"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}
