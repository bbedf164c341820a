//! The manifest beside a component, as an author writes it.

use serde::Deserialize;

use crate::world;

/// What a manifest says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower-case words joined by `-`.
    pub name: String,
    /// Of the plugin, for a person.
    pub version: String,
    world: String,
    /// Globs on the paths of the files that it is asked about.
    pub patterns: Vec<String>,
    /// `sha256:` and the digest of the component.
    pub digest: String,
    /// Folders of the project that it asks to read.
    #[serde(default)]
    pub view: Vec<String>,
}

/// Reads a manifest.
///
/// # Errors
/// Says what was expected, and where in the text it is not.
pub fn parse(text: &str) -> Result<Manifest, String> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("line {line}: {}", error.message())
    })?;
    if manifest.world != world::NAME {
        return Err(format!("the world is {:?}, expected {:?}", manifest.world, world::NAME));
    }
    if manifest.patterns.is_empty() {
        return Err("`patterns` is empty, expected the files that the plugin is asked about, as [\"*.zig\"]".to_owned());
    }
    Ok(manifest)
}
