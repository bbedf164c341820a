//! The one engine configuration, shared by whoever compiles a guest and
//! whoever runs it: an image loads only under the configuration that made it.

use wasmtime::Config;

/// The Pulley bytecode target of this machine's pointer width and byte order.
pub const PULLEY_TARGET: &str = if cfg!(target_endian = "little") { "pulley64" } else { "pulley64be" };

/// Returns the configuration for images of `target`, or of this machine when `None`.
///
/// Fuel bounds what a guest may do, and unlike a timer it is deterministic: the
/// same input ends the same way on a loaded machine. Nothing beyond core wasm
/// and the component model is enabled.
///
/// # Errors
/// Returns wasmtime's error for a target that it does not know.
pub fn config(target: Option<&str>) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if let Some(target) = target {
        config.target(target)?;
    }
    if target.is_some_and(|target| target.starts_with("pulley")) {
        // Bytecode is the way out for hosts that forbid something. Such a host may
        // also limit the address space, of which a memory takes 4 GiB otherwise, or 2
        // GiB to grow without moving.
        config.memory_reservation(0);
        config.memory_reservation_for_growth(16 << 20);
        config.memory_guard_size(0);
    }
    config.consume_fuel(true);
    config.concurrency_support(false);
    Ok(config)
}
