//! Libraries in memory, for mounts that forbid execution.

use std::io;

/// Puts `bytes` into a sealed file in memory and returns a path that `dlopen`
/// takes. The file stays open for the life of the process: the loader tells
/// libraries apart by path, so a path must never be used twice.
///
/// # Errors
/// The system's; `Unsupported` where there are no files in memory.
#[cfg(target_os = "linux")]
pub fn seal(bytes: &[u8]) -> io::Result<String> {
    use std::io::Write;
    use std::os::fd::IntoRawFd;

    use rustix::fs::{MemfdFlags, SealFlags};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(rustix::fs::memfd_create("zigimport", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(format!("/proc/self/fd/{}", file.into_raw_fd()))
}

/// There are no files in memory on this system.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn seal(_bytes: &[u8]) -> io::Result<String> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_cannot_be_changed() {
        let path = seal(b"library").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"library");
        assert!(std::fs::write(&path, b"poison!").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"library");
    }
}
