//! Which plugins are used: `[tool.zigimport.plugins]` of the project's
//! `pyproject.toml`, and `[plugins]` of the user's configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::description::{Name, Pinned, View};
use crate::closure::{self, Input, Role};
use crate::config::{ProjectSettings, UserSettings};
use crate::error::Result;

/// A configuration is never larger.
const CONFIGURATION_BYTES_MAX: u64 = 16 << 20;

/// What is done with a module when a plugin fails on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is not built.
    #[default]
    Stop,
    /// It is built for this once, and not kept.
    NoCache,
}

impl OnFailure {
    /// Both, by the names that they have in a configuration.
    pub const ALL: [Self; 2] = [Self::Stop, Self::NoCache];

    /// Returns the setting's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::NoCache => "no-cache",
        }
    }
}

/// One plugin in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pin {
    /// Path of its manifest, relative to the folder of the configuration.
    pub manifest: String,
    /// Of its component.
    pub digest: Pinned,
    /// Folders that it may read.
    #[serde(default)]
    pub view: Vec<View>,
    /// What happens when it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// The plugins of a configuration by name.
pub type Pins = BTreeMap<Name, Pin>;

/// Whose configuration pins a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The project's.
    Project,
    /// The user's.
    User,
}

impl Origin {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::User => "user",
        }
    }
}

/// A plugin that is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Name.
    pub name: String,
    /// What its configuration says of it.
    pub pin: Pin,
    /// Whose that is.
    pub origin: Origin,
    /// The configuration.
    pub configuration: PathBuf,
}

impl Choice {
    /// Returns the path of the plugin's manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        closure::normalize(&folder_of(&self.configuration).join(&self.pin.manifest))
    }
}

/// Returns the folder that a configuration's paths are relative to. Beside a source
/// that is no file there is a link to the configuration of its project.
#[must_use]
pub fn folder_of(configuration: &Path) -> PathBuf {
    let mut path = configuration.to_owned();
    while let Ok(target) = std::fs::read_link(&path) {
        path = closure::normalize(&path.parent().unwrap_or(Path::new("/")).join(target));
    }
    path.pop();
    path
}

/// Returns the plugins of both configurations, sorted by name. Where both have
/// a name, the project's wins.
#[must_use]
pub fn merged(project: Option<(&Path, &Pins)>, user: Option<(&Path, &Pins)>) -> Vec<Choice> {
    let mut choices = BTreeMap::new();
    for (origin, pins) in [(Origin::User, user), (Origin::Project, project)] {
        let Some((configuration, pins)) = pins else { continue };
        for (name, pin) in pins {
            let configuration = configuration.to_owned();
            choices.insert(&name.0, Choice { name: name.0.clone(), pin: pin.clone(), origin, configuration });
        }
    }
    choices.into_values().collect()
}

/// Reads the user's configuration with its input, or `None` where there is none.
///
/// # Errors
/// It cannot be read, or names the line that is wrong.
pub fn of_user(path: &Path, root: &Path) -> Result<Option<(Input, Pins)>> {
    if !path.exists() {
        return Ok(None);
    }
    let (input, bytes) = closure::read_input(path, Role::Project, root, CONFIGURATION_BYTES_MAX)?;
    let settings = UserSettings::parse(&String::from_utf8_lossy(&bytes), path)?;
    Ok(Some((input, settings.plugins)))
}

/// Returns the plugins that modules in a folder are given to.
///
/// # Errors
/// A configuration cannot be read.
pub fn at(folder: &Path, user: Option<&Path>) -> Result<Vec<Choice>> {
    let project = ProjectSettings::nearest(folder)?;
    let user = match user {
        Some(path) => of_user(path, folder)?.map(|(input, pins)| (input.path, pins)),
        None => None,
    };
    Ok(merged(
        project.as_ref().map(|(path, settings)| (path.as_path(), &settings.plugins)),
        user.as_ref().map(|(path, pins)| (path.as_path(), pins)),
    ))
}
