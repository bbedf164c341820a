//! Finds the Zig compiler, and its version without running it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::config::Layer;
use crate::digest::{Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::interpreter;
use crate::manifest::Recorded;
use crate::stamp::{self, Content, Stamp};

/// The lines of Zig that zigimport works with, oldest first.
pub const SUPPORTED_LINES: [&str; 3] = ["0.15", "0.16", "0.17"];

/// Of a package's list of files, as much is read at once.
const LINES_BYTES: usize = 64 << 10;

/// Where the compiler was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `ZIGIMPORT_ZIG`.
    Setting,
    /// The interpreter's `ziglang` package.
    Package,
    /// The `PATH`.
    Path,
}

impl Origin {
    /// Returns how a person would say it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Setting => "ZIGIMPORT_ZIG",
            Self::Package => "the ziglang package",
            Self::Path => "PATH",
        }
    }
}

/// A compiler that was found; looking for one costs a few file look-ups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The program, absolute, links not resolved.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Its stamp.
    pub stamp: Stamp,
}

/// A compiler with what identifies it in keys.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// Where it is.
    pub located: Located,
    /// Its version, if that is known without running it.
    pub version: Option<String>,
    /// Digest of its package's release, or of the program itself.
    pub identity: Digest,
    /// The program, if it was read for that.
    pub program: Option<Recorded>,
}

/// Looks for Zig: `ZIGIMPORT_ZIG`, then the `ziglang` package on the
/// interpreter's path, then `PATH`.
///
/// # Errors
/// `ZIGIMPORT_ZIG` names nothing that could be run.
pub fn locate(layer: &Layer, search_path: &[PathBuf]) -> Result<Option<Located>> {
    let program = format!("zig{}", std::env::consts::EXE_SUFFIX);
    if let Some(setting) = &layer.zig {
        return find_setting(setting, layer, &program).map(Some).ok_or_else(|| Error::NotFound {
            message: format!("ZIGIMPORT_ZIG is `{}`, and no Zig compiler is there", setting.display()),
            hint: "set it to the zig program, or unset it and `pip install ziglang`".to_owned(),
        });
    }
    let package = search_path.iter().find_map(|folder| at(folder.join("ziglang").join(&program), Origin::Package));
    Ok(package.or_else(|| on_path(layer, &program)))
}

/// `ZIGIMPORT_ZIG` may be a program, the folder that has it, or a name on the PATH.
fn find_setting(setting: &Path, layer: &Layer, program: &str) -> Option<Located> {
    let is_bare_name = setting.components().count() == 1 && !setting.is_absolute();
    if let Some(name) = setting.to_str().filter(|_| is_bare_name)
        && let Some(located) = on_path(layer, name)
    {
        return Some(Located { origin: Origin::Setting, ..located });
    }
    let absolute = std::path::absolute(setting).ok()?;
    at(absolute.clone(), Origin::Setting).or_else(|| at(absolute.join(program), Origin::Setting))
}

fn on_path(layer: &Layer, program: &str) -> Option<Located> {
    std::env::split_paths(layer.path.as_ref()?)
        .filter(|folder| folder.is_absolute())
        .find_map(|folder| at(folder.join(program), Origin::Path))
}

fn at(path: PathBuf, origin: Origin) -> Option<Located> {
    let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
    Some(Located { path, origin, stamp: Stamp::of(&metadata) })
}

impl Toolchain {
    /// Identifies a compiler by files alone.
    ///
    /// A `ziglang` package names its version, and its release with the digest
    /// that it records for the program is its identity. Any other program is identified by its own
    /// digest, and its version is what `known_version` remembers for that. The digest
    /// is what `recorded` says of a path, if the program there has still the same stamp.
    ///
    /// # Errors
    /// The program cannot be read.
    pub fn identify(
        located: Located,
        known_version: impl Fn(Digest) -> Option<String>,
        recorded: impl Fn(&Path) -> Option<Recorded>,
    ) -> Result<Self> {
        if let Some((version, identity)) = package_identity(&located.path) {
            return Ok(Self { located, version: Some(version), identity, program: None });
        }
        let path = std::fs::canonicalize(&located.path).unwrap_or_else(|_| located.path.clone());
        if let Some((version, identity)) = package_identity(&path) {
            return Ok(Self { located, version: Some(version), identity, program: None });
        }
        let is_same = |recorded: &Recorded| recorded.trusted && recorded.stamp == located.stamp;
        if let Some(Recorded { digest, .. }) = recorded(&path).filter(is_same) {
            return Ok(Self { version: known_version(digest), located, identity: digest, program: None });
        }
        let Content { bytes, stamp, trusted, .. } = stamp::read(&path, u64::MAX - 1)
            .map_err(|error| Error::Compiler { zig: located.path.clone(), reason: error.to_string() })?;
        let identity = Digest::of(&bytes);
        let program = Some(Recorded { path, is_folder: false, stamp, trusted, digest: identity });
        Ok(Self { version: known_version(identity), located, identity, program })
    }
}

/// Returns the supported line of a version, if it is a release of one.
#[must_use]
pub fn supported_line(version: &str) -> Option<&'static str> {
    SUPPORTED_LINES.into_iter().find(|line| {
        version
            .strip_prefix(line)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|digit| digit.is_ascii_digit()))
    })
}

/// Reads version and recorded digest from the package that `zig` is part of.
fn package_identity(zig: &Path) -> Option<(String, Digest)> {
    let package = zig.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "ziglang"))?;
    let (package_version, folder) = interpreter::installed(package.parent()?, "ziglang")?;
    // The release and the recorded digest of its program say which files the
    // package has; lines about scripts and bytecode differ between installers.
    let program = format!("ziglang/zig{},", std::env::consts::EXE_SUFFIX);
    let line = line_of(&folder.join("RECORD"), &program)?;
    let mut hasher = FieldHasher::new("ziglang package");
    hasher.field("version", package_version.as_bytes());
    hasher.field("program", line.as_bytes());
    // A re-release of the package (0.13.0.post1) carries the same compiler.
    let version = package_version.split(".post").next().unwrap_or_default().to_owned();
    Some((version, hasher.finish()))
}

/// Returns the line of a file that begins with something. A package of Zig has
/// twenty thousand files, and a line for each.
fn line_of(path: &Path, start: &str) -> Option<String> {
    let mut file = BufReader::with_capacity(LINES_BYTES, File::open(path).ok()?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).ok()? > 0 {
        if line.starts_with(start.as_bytes()) {
            let line = std::str::from_utf8(&line).ok()?;
            return line.lines().next().map(str::to_owned);
        }
        line.clear();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_of_the_three_lines_are_supported() {
        assert_eq!(supported_line("0.15.2"), Some("0.15"));
        assert_eq!(supported_line("0.17.0"), Some("0.17"));
        for other in ["0.14.1", "0.18.0", "0.16.0-dev.1+abc", "0.16", "0.160.1", "1.0.15"] {
            assert_eq!(supported_line(other), None, "{other}");
        }
    }

    #[test]
    fn a_wrong_setting_is_an_error_and_not_a_search() {
        let layer = Layer { zig: Some("/nowhere/zig".into()), ..Layer::default() };
        let error = locate(&layer, &[]).unwrap_err();
        assert!(error.report().contains("/nowhere/zig"), "{}", error.report());
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn the_package_wins_over_the_path_and_names_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let bin = folder.path().join("bin");
        let info = site.join("ziglang-0.16.0.dist-info");
        for path in [&site.join("ziglang"), &bin, &info] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(site.join("ziglang/zig"), "package").unwrap();
        std::fs::write(bin.join("zig"), "path").unwrap();
        std::fs::write(info.join("RECORD"), "../../bin/x,a,1\nziglang/zig,sha256=b,2\n").unwrap();
        let layer = Layer { path: Some(bin.clone().into_os_string()), ..Layer::default() };

        let located = locate(&layer, std::slice::from_ref(&site)).unwrap().unwrap();
        assert_eq!(located.origin, Origin::Package);
        let packaged = Toolchain::identify(located, |_| None, |_| None).unwrap();
        assert_eq!(packaged.version.as_deref(), Some("0.16.0"));

        let located = locate(&layer, &[]).unwrap().unwrap();
        assert_eq!(located.origin, Origin::Path);
        let version = |_| Some("0.15.2".to_owned());
        let known = Toolchain::identify(located.clone(), version, |_| None).unwrap();
        assert_eq!((known.version.as_deref(), known.identity), (Some("0.15.2"), Digest::of(b"path")));

        // What was recorded of the program holds as long as its stamp does, and can be trusted.
        let recorded = Recorded { digest: Digest::of(b"recorded"), trusted: true, ..known.program.unwrap() };
        let identity_with = |recorded: Recorded| {
            Toolchain::identify(located.clone(), version, |_| Some(recorded.clone())).unwrap().identity
        };
        assert_eq!(identity_with(recorded.clone()), recorded.digest);
        assert_eq!(identity_with(Recorded { trusted: false, ..recorded.clone() }), Digest::of(b"path"));
        let stamp = Stamp { changed_ns: recorded.stamp.changed_ns - 1, ..recorded.stamp };
        assert_eq!(identity_with(Recorded { stamp, ..recorded }), Digest::of(b"path"));
        assert_eq!(locate(&Layer::default(), &[]).unwrap(), None);
    }
}
