//! What can go wrong, each with what was expected and what to do.

use std::path::PathBuf;

/// One message of the compiler, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `error` or `note`.
    pub severity: String,
    /// File as the compiler names it, made absolute where it lies in the project.
    pub path: String,
    /// Line, from 1; 0 where the compiler gives none.
    pub line: u32,
    /// Column, from 1; 0 where the compiler gives none.
    pub column: u32,
    /// The message without its place.
    pub message: String,
}

/// Why the host could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value that it cannot have.
    #[error("invalid value `{value}` for {name}{place}: expected {expected}")]
    Setting {
        /// The variable or key.
        name: String,
        /// What was given.
        value: String,
        /// ` (FILE:LINE)`, or empty for an environment variable.
        place: String,
        /// What would be right.
        expected: String,
    },
    /// The module's source is not usable as a module.
    #[error("{message}")]
    Module {
        /// The whole sentence, with the file.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A file of the closure could not be read or scanned.
    #[error("failed to scan `{path}`: {reason}")]
    Scan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No usable Zig, or building is forbidden, and the artifact is not cached.
    #[error("{message}")]
    NotFound {
        /// The whole sentence.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The compiler rejected the module.
    #[error("failed to compile `{module}` ({source_path})\n{text}")]
    Compile {
        /// Dotted module name.
        module: String,
        /// The module's own file.
        source_path: PathBuf,
        /// The compiler's own text.
        text: String,
        /// The same as data.
        diagnostics: Vec<Diagnostic>,
        /// What may be the cause beyond the text.
        hint: Option<String>,
    },
    /// The compiler ended in a way that is no compile error.
    #[error("failed to run the Zig compiler `{zig}`: {reason}")]
    Compiler {
        /// The program.
        zig: PathBuf,
        /// What happened.
        reason: String,
    },
    /// An input changed while it was compiled, again and again.
    #[error("failed to build `{module}`: `{path}` kept changing during the compile")]
    Unstable {
        /// Dotted module name.
        module: String,
        /// The file.
        path: PathBuf,
    },
    /// Another process builds the same module and does not finish.
    #[error(
        "failed to get the build lock of `{module}` within {seconds} s: {} holds `{path}`",
        process_name(*holder)
    )]
    LockTimeout {
        /// Dotted module name.
        module: String,
        /// How long we waited.
        seconds: u64,
        /// The process that holds it, where that is known.
        holder: Option<u32>,
        /// The lock file.
        path: PathBuf,
    },
    /// The store cannot be used.
    #[error("failed to {action} `{path}`: {reason}")]
    Cache {
        /// A verb phrase.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said, or what is wrong.
        reason: String,
    },
    /// The shared cache cannot be used.
    #[error("failed to {action} the shared cache `{path}`: {reason}")]
    Remote {
        /// A verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said, or what is wrong.
        reason: String,
    },
    /// The remote executor gave no answer to go on with.
    #[error("failed to compile `{module}` on the executor {address}: {reason}")]
    Executor {
        /// The module.
        module: String,
        /// Where it is, without credentials.
        address: String,
        /// What happened.
        reason: String,
    },
    /// What was asked of the registry is not there, not unique or not usable.
    #[error("{message}")]
    Registry {
        /// The whole sentence.
        message: String,
        /// What to do.
        hint: String,
    },
    /// An exported cache is not what it should be; nothing was taken from it.
    #[error("failed to import `{path}`: {reason}; nothing was changed")]
    Archive {
        /// The archive or folder.
        path: PathBuf,
        /// Which part of it, and what is wrong.
        reason: String,
    },
    /// A file of the user's, to be read or written, cannot be.
    #[error("failed to {action} `{path}`: {reason}")]
    File {
        /// A verb phrase.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A component broke its contract or its limits: a bug, or a hostile plugin.
    #[error("failed to run the component `{component}`: {reason}")]
    Component {
        /// Its name.
        component: String,
        /// The engine's words.
        reason: String,
    },
    /// A plugin could not say what a module depends on.
    #[error("{message}")]
    Plugin {
        /// The whole sentence, with the plugin and the file.
        message: String,
        /// What to do.
        hint: String,
        /// Whether the environment is to blame, and not the project.
        is_environment: bool,
    },
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// The family of an error, which is the Python exception class and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A setting or another precondition: `ZigImportError`.
    Import,
    /// `ZigNotFoundError`.
    NotFound,
    /// `ZigCompileError`.
    Compile,
    /// `ScanError`.
    Scan,
    /// `LockTimeoutError`.
    LockTimeout,
    /// `CacheError`.
    Cache,
    /// `KeyboardInterrupt`.
    Interrupted,
}

impl Error {
    /// Returns the family.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Setting { .. } | Self::Module { .. } | Self::Unstable { .. } => ErrorKind::Import,
            Self::Scan { .. } | Self::Component { .. } | Self::Plugin { .. } => ErrorKind::Scan,
            Self::NotFound { .. } | Self::Compiler { .. } | Self::Executor { .. } => ErrorKind::NotFound,
            Self::Compile { .. } => ErrorKind::Compile,
            Self::LockTimeout { .. } => ErrorKind::LockTimeout,
            Self::Cache { .. }
            | Self::File { .. }
            | Self::Registry { .. }
            | Self::Archive { .. }
            | Self::Remote { .. } => ErrorKind::Cache,
            Self::Interrupted => ErrorKind::Interrupted,
        }
    }

    /// Returns the exit code of a command that ends with this error: 1 the
    /// user's code or input, 3 the environment.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Module { .. }
            | Self::Scan { .. }
            | Self::Compile { .. }
            | Self::Unstable { .. }
            | Self::Registry { .. }
            | Self::Archive { .. }
            | Self::Plugin { is_environment: false, .. } => 1,
            // One that stands in a file is input; a variable is the environment.
            Self::Setting { place, .. } => {
                if place.is_empty() {
                    3
                } else {
                    1
                }
            }
            Self::NotFound { .. }
            | Self::Compiler { .. }
            | Self::Executor { .. }
            | Self::LockTimeout { .. }
            | Self::Cache { .. }
            | Self::Remote { .. }
            | Self::File { .. }
            | Self::Component { .. }
            | Self::Plugin { is_environment: true, .. } => 3,
            Self::Interrupted => 130,
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Module { hint, .. } | Self::Compile { hint, .. } => hint.clone(),
            Self::NotFound { hint, .. } | Self::Registry { hint, .. } | Self::Plugin { hint, .. } => Some(hint.clone()),
            Self::Cache { action: "restore" | "read", reason, .. } if !reason.to_lowercase().contains("denied") => {
                Some("zigimport cache verify --repair".to_owned())
            }
            Self::Cache { .. } => Some("set ZIGIMPORT_BUILD_DIR to a directory that only you can write".to_owned()),
            Self::Executor { .. } => {
                Some("mend what it says; or unset ZIGIMPORT_REMOTE_EXECUTOR and let the compiler run here, where ZIGIMPORT_NATIVE allows that".to_owned())
            }
            Self::Archive { .. } => Some("export it again, or copy it again".to_owned()),
            Self::LockTimeout { .. } => Some("wait for that process, or end it; the lock goes with it".to_owned()),
            _ => None,
        }
    }

    /// Returns the message and the hint, as a person reads them.
    #[must_use]
    pub fn report(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}\nhint: {hint}"),
            None => self.to_string(),
        }
    }

    /// Makes an error about a user's file of an I/O error.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::File { action, path: path.into(), reason: error.to_string() }
    }

    /// Makes an error about the shared cache of an I/O error.
    pub(crate) fn remote(action: &'static str, path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Remote { action, path: path.into(), reason: error.to_string() }
    }

    /// Makes a cache error of an I/O error.
    pub(crate) fn cache(action: &'static str, path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Cache { action, path: path.into(), reason: error.to_string() }
    }
}

/// Names a process that may be known, in a message.
#[must_use]
pub fn process_name(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
