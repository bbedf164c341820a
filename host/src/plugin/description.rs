//! The manifest that comes with a plugin: `NAME.toml` beside `NAME.wasm`.

use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};
use serde::{Deserialize, Deserializer, de};

use crate::digest::Digest;

/// The world that plugins are made for.
pub const WORLD: &str = "zigimport:plugin@0.1.0";
/// A manifest is never larger.
pub(super) const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// How a digest is written in manifests and pins.
const DIGEST_PREFIX: &str = "sha256:";
/// A wildcard does not match a separator; `**` does.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// Name of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(is_name) {
            let message = format!("`{text}` is no name of a plugin: expected up to 64 of a-z, 0-9 and `-`");
            return Err(de::Error::custom(message));
        }
        Ok(Self(text))
    }
}

/// A digest as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned(pub Digest);

impl Pinned {
    /// Returns the text of a digest.
    #[must_use]
    pub fn text(digest: Digest) -> String {
        format!("{DIGEST_PREFIX}{digest}")
    }
}

impl<'de> Deserialize<'de> for Pinned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix(DIGEST_PREFIX).and_then(Digest::from_hex).map(Self).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is no digest: expected `sha256:` and 64 hexadecimal digits"))
        })
    }
}

/// A folder that a plugin may read, relative to the project root, with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct View(pub String);

impl View {
    /// Reads the name of a folder; `.` is the project root.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let is_inside =
            !text.is_empty() && !text.contains(['\\', ':', '\0']) && Path::new(text).components().all(is_plain);
        if !is_inside {
            return Err(format!("`{text}` is no folder of the project: expected a path below its root, with `/`"));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Ok(Self(if parts.is_empty() { ".".to_owned() } else { parts.join("/") }))
    }
}

impl<'de> Deserialize<'de> for View {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Which files a plugin is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim(Pattern);

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pattern::new(&text)
            .map(Self)
            .map_err(|error| de::Error::custom(format!("`{text}` is no pattern: {}", error.msg)))
    }
}

/// A plugin's own manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name.
    pub name: Name,
    /// Version.
    pub version: String,
    /// World that the component is made for.
    pub world: String,
    patterns: Vec<Claim>,
    /// Of the component.
    pub digest: Pinned,
    /// Folders that it asks to read.
    #[serde(default)]
    pub view: Vec<View>,
}

impl Description {
    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// What is wrong with it, and its line.
    pub fn parse(text: &str) -> Result<Self, (String, u32)> {
        let made: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            (error.message().to_owned(), u32::try_from(line).unwrap_or(u32::MAX))
        })?;
        let line_of = |key: &str| {
            let line = text.lines().position(|line| line.trim_start().starts_with(key)).unwrap_or(0);
            u32::try_from(line + 1).unwrap_or(u32::MAX)
        };
        if made.world != WORLD {
            let world = &made.world;
            return Err((format!("the world `{world}` is not known: expected `{WORLD}`"), line_of("world")));
        }
        if made.patterns.is_empty() {
            let message = "`patterns` is empty: expected the files that it is for, such as \"*.zig\"";
            return Err((message.to_owned(), line_of("patterns")));
        }
        Ok(made)
    }

    /// Returns where the component of a manifest lies.
    #[must_use]
    pub fn component_of(manifest: &Path) -> PathBuf {
        manifest.with_extension("wasm")
    }

    /// Returns whether the plugin is for a file, named relative to the project
    /// root. A pattern without `/` is for the name in every folder.
    #[must_use]
    pub fn claims(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.patterns.iter().any(|Claim(pattern)| {
            let wanted = if pattern.as_str().contains('/') { path } else { name };
            pattern.matches_with(wanted, MATCHING)
        })
    }

    /// Returns the patterns as they are written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|claim| claim.0.as_str())
    }
}

/// Returns whether a file is the manifest of a plugin, of any version of the world and
/// not yet with a digest.
#[must_use]
pub fn is_manifest(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Named {
        world: String,
    }
    let is_small = std::fs::metadata(path).is_ok_and(|at| at.is_file() && at.len() <= MANIFEST_BYTES_MAX);
    let family = WORLD.split('@').next().unwrap_or(WORLD);
    is_small
        && std::fs::read_to_string(path)
            .ok()
            .and_then(|text| toml::from_str::<Named>(&text).ok())
            .is_some_and(|named| named.world.split('@').next() == Some(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(patterns: &str, view: &str) -> String {
        format!(
            "name = \"p\"\nversion = \"1\"\nworld = \"{WORLD}\"\npatterns = {patterns}\ndigest = \"{}\"\nview = {view}\n",
            Pinned::text(Digest::of(b""))
        )
    }

    #[test]
    fn a_pattern_without_a_folder_is_for_the_name_in_every_folder() {
        let made =
            Description::parse(&manifest(r#"["*.zig", "**/db/*.sql", "/odd", "a/?.txt", "[x-z].c"]"#, "[]")).unwrap();
        for path in ["m.zig", "a/b/m.zig", "db/a.sql", "a/db/b.sql", "a/b.txt", "q/y.c"] {
            assert!(made.claims(path), "{path}");
        }
        for path in ["m.zi", "m.zig/x", "db/a/b.sql", "a/bb.txt", "b/a/b.txt", "a.c", "odd"] {
            assert!(!made.claims(path), "{path}");
        }
    }

    #[test]
    fn views_stay_below_the_root() {
        for (text, view) in [("a", "a"), ("./a//b/", "a/b"), (".", "."), ("./", ".")] {
            assert_eq!(View::parse(text), Ok(View(view.into())));
        }
        for text in ["", "/a", "..", "a/../..", "C:/x", "a\\b", "a\0"] {
            assert!(View::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_manifest_is_said_with_its_line() {
        let good = manifest("[\"*.zig\"]", "[]");
        for (wrong, line, words) in [
            (good.replace("\"p\"", "\"P\""), 1, "no name of a plugin"),
            (good.replace("@0.1.0", "@9.0.0"), 3, "expected `zigimport:plugin@0.1.0`"),
            (good.replace("[\"*.zig\"]", "[]"), 4, "is empty"),
            (good.replace("*.zig", "a[b"), 4, "no pattern"),
            (good.replace("sha256:", "md5:"), 5, "no digest"),
            (good.replace("view = []", "view = [\"../x\"]"), 6, "no folder of the project"),
            (good.replace("view = []", "views = []"), 6, "unknown field"),
        ] {
            let (message, found) = Description::parse(&wrong).unwrap_err();
            assert!(message.contains(words) && found == line, "{found}: {message}");
        }
    }
}
