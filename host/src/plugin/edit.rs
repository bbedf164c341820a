//! Adds, lists and removes plugins in a configuration. What is there already
//! keeps its bytes: comments, order, spelling.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use serde_json::{Value, json};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use super::COMPONENT_BYTES_MAX;
use super::description::{Description, MANIFEST_BYTES_MAX, Name, Pinned, View, WORLD};
use super::engine::{Fault, Inspection};
use super::pins::{self, Choice, OnFailure, Origin, Pin, Pins};
use crate::closure;
use crate::config::{ProjectSettings, UserSettings};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::plan::Context;
use crate::publish::{Existing, publish};
use crate::report::Level;
use crate::stamp;

/// What `plugin add` was asked for.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The plugin's manifest or its component.
    pub path: PathBuf,
    /// Whose configuration gets it.
    pub origin: Origin,
    /// Folders that it may read.
    pub views: Vec<String>,
    /// What happens when it fails; as before, or `stop`, where that is not said.
    pub on_failure: Option<OnFailure>,
}

fn wrong(message: String, hint: impl Into<String>) -> Error {
    Error::Module { message, hint: Some(hint.into()) }
}

/// Returns the error for an engine that did not do its part.
fn fault(fault: Fault, component: &Path) -> Error {
    match fault {
        Fault::Engine(reason) => {
            Error::Plugin { message: reason, hint: "pip install zigimport-plugins".to_owned(), is_environment: true }
        }
        Fault::Plugin(reason, _) => wrong(
            format!("`{}` cannot be used as a plugin: {reason}", component.display()),
            format!("it has to be a component of the world `{WORLD}`"),
        ),
    }
}

/// Returns the configuration of the project around a folder, or the user's.
fn configuration(context: Context<'_>, origin: Origin, folder: &Path) -> Result<PathBuf> {
    match origin {
        Origin::User => context.layer.user_configuration.clone().ok_or_else(|| {
            wrong("there is no home directory for a configuration of the user's".to_owned(), "add it to a project")
        }),
        Origin::Project => {
            let candidates = folder.ancestors().map(|folder| folder.join("pyproject.toml"));
            candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
                wrong(
                    format!("neither `{}` nor a folder around it has a pyproject.toml", folder.display()),
                    "make one in the folder of the project (an empty file will do), or add the plugin for yourself \
                     with --user",
                )
            })
        }
    }
}

/// Reads a configuration as text and as pins; empty where there is none.
fn read(path: &Path, origin: Origin) -> Result<(String, Pins)> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && origin == Origin::User => String::new(),
        Err(error) => return Err(Error::file("read", path, &error)),
    };
    let pins = parse(&text, path, origin)?;
    Ok((text, pins))
}

fn parse(text: &str, path: &Path, origin: Origin) -> Result<Pins> {
    match origin {
        Origin::Project => ProjectSettings::parse(text, path).map(|settings| settings.plugins),
        Origin::User => UserSettings::parse(text, path).map(|settings| settings.plugins),
    }
}

/// The tables around that of a plugin.
fn keys(origin: Origin) -> &'static [&'static str] {
    match origin {
        Origin::Project => &["tool", "zigimport", "plugins"],
        Origin::User => &["plugins"],
    }
}

/// Pins a plugin by the digest of its component, after looking at it. Returns
/// what `plugin list` says of it, with whether the configuration was changed.
///
/// # Errors
/// It is no plugin, asks for more than it is granted, or its name is taken.
pub fn add(context: Context<'_>, folder: &Path, addition: &Addition) -> Result<Value> {
    let path = closure::normalize(&folder.join(&addition.path));
    let manifest = if path.extension().is_some_and(|end| end == "wasm") { path.with_extension("toml") } else { path };
    let component = Description::component_of(&manifest);
    let no_file = |path: &Path, what: &str, error: &std::io::Error| {
        let message = format!("the {what} `{}` cannot be read: {error}", path.display());
        wrong(message, "a plugin is NAME.wasm with NAME.toml beside it; name one of the two")
    };
    let text = stamp::read(&manifest, MANIFEST_BYTES_MAX).map_err(|error| no_file(&manifest, "manifest", &error))?;
    let description = Description::parse(&String::from_utf8_lossy(&text.bytes)).map_err(|(reason, line)| {
        wrong(
            format!("invalid manifest `{}`, line {line}: {reason}", manifest.display()),
            "its keys are: name, version, world, patterns, digest, view",
        )
    })?;
    let bytes =
        stamp::read(&component, COMPONENT_BYTES_MAX).map_err(|error| no_file(&component, "component", &error))?.bytes;
    let digest = Digest::of(&bytes);
    if digest != description.digest.0 {
        let (now, named) = (Pinned::text(digest), Pinned::text(description.digest.0));
        return Err(wrong(
            format!("`{}` is {now}, and its manifest `{}` is for {named}", component.display(), manifest.display()),
            "take both from the same release of the plugin; its author writes the digest that the component has",
        ));
    }
    let configuration = configuration(context, addition.origin, folder)?;
    let (old, pins) = read(&configuration, addition.origin)?;
    let name = &description.name;
    let pinned = pins.get(name);
    if let Some(pin) = pinned {
        let choice = choice(name, pin, addition.origin, &configuration);
        if choice.manifest() != manifest {
            return Err(wrong(
                format!(
                    "the name `{}` is taken in `{}`, by the plugin at `{}`",
                    name.0,
                    configuration.display(),
                    choice.manifest().display()
                ),
                format!("zigimport plugin remove{} {}", user_option(addition.origin), name.0),
            ));
        }
    }
    let view = granted(&description, addition, pinned, &manifest)?;
    inspect(context, &component, &bytes)?;
    store_image(context, &component, digest, &bytes)?;
    let relative = closure::relative_to(&manifest, &pins::folder_of(&configuration));
    let pin = Pin {
        // The user's configuration is for every folder.
        manifest: if addition.origin == Origin::User { manifest.to_string_lossy().into_owned() } else { relative },
        digest: Pinned(digest),
        view,
        on_failure: addition.on_failure.or(pinned.map(|pin| pin.on_failure)).unwrap_or_default(),
    };
    let is_changed = pinned != Some(&pin);
    if is_changed {
        let new = with_pin(&old, &configuration, addition.origin, name, &pin)?;
        write(&configuration, &new)?;
    }
    let mut made = describe(&choice(name, &pin, addition.origin, &configuration));
    made["changed"] = is_changed.into();
    Ok(made)
}

fn user_option(origin: Origin) -> &'static str {
    if origin == Origin::User { " --user" } else { "" }
}

fn choice(name: &Name, pin: &Pin, origin: Origin, configuration: &Path) -> Choice {
    Choice { name: name.0.clone(), pin: pin.clone(), origin, configuration: configuration.to_owned() }
}

/// Returns what the plugin may read: all that its manifest asks for, where that
/// is granted now or was before.
fn granted(description: &Description, addition: &Addition, pinned: Option<&Pin>, manifest: &Path) -> Result<Vec<View>> {
    let given = addition.views.iter().map(|text| View::parse(text));
    let given = given
        .collect::<Result<Vec<View>, String>>()
        .map_err(|reason| wrong(format!("invalid value for --view: {reason}"), "for example --view schemas"))?;
    let name = &description.name.0;
    if let Some(other) = given.iter().find(|view| !description.view.contains(view)) {
        let asked: Vec<&str> = description.view.iter().map(|view| view.0.as_str()).collect();
        let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
        return Err(wrong(
            format!("the plugin `{name}` does not ask to read the folder `{}`", other.0),
            format!("the folders that `{}` asks for: {asked}", manifest.display()),
        ));
    }
    let before = pinned.map_or(&[][..], |pin| &pin.view);
    let missing: Vec<&View> =
        description.view.iter().filter(|view| !given.contains(view) && !before.contains(view)).collect();
    if !missing.is_empty() {
        let options: Vec<String> = missing.iter().map(|view| format!("--view {}", view.0)).collect();
        let names: Vec<String> = missing.iter().map(|view| format!("`{}`", view.0)).collect();
        return Err(wrong(
            format!("the plugin `{name}` asks to read {} of the project, which is not granted", names.join(", ")),
            format!("if it may: zigimport plugin add {} {}", options.join(" "), manifest.display()),
        ));
    }
    Ok(description.view.clone())
}

fn inspect(context: Context<'_>, component: &Path, bytes: &[u8]) -> Result<()> {
    let inspected = context.frontend.plugin_engine().inspect(bytes);
    let Inspection { world, forbidden } = inspected.map_err(|error| fault(error, component))?;
    if world != WORLD {
        let reason = format!("it is made for the world `{world}`");
        return Err(fault(Fault::Plugin(reason, 0), component));
    }
    if forbidden.is_empty() {
        return Ok(());
    }
    let reason = format!("it imports {}, which no plugin may have", forbidden.join(", "));
    Err(fault(Fault::Plugin(reason, 0), component))
}

/// Compiles the component now, so that no import has to.
fn store_image(context: Context<'_>, component: &Path, digest: Digest, bytes: &[u8]) -> Result<()> {
    let engine = context.frontend.plugin_engine();
    let failed = |error: Fault| fault(error, component);
    let name = engine.name().map_err(failed)?;
    if context.store.plugin_image(digest, &name).is_some() {
        return Ok(());
    }
    let image = engine.compile(bytes).map_err(failed)?;
    if let Err(error) = context.store.put_plugin_image(digest, &name, &image) {
        // It costs the next import the same time again.
        context.frontend.report(Level::Warning, error.report());
    }
    Ok(())
}

/// Returns the plugins of the project around a folder and of the user.
///
/// # Errors
/// A configuration cannot be read.
pub fn list(context: Context<'_>, folder: &Path) -> Result<Vec<Value>> {
    let choices = pins::at(folder, context.layer.user_configuration.as_deref())?;
    Ok(choices.iter().map(describe).collect())
}

/// Describes a plugin as it is now, without running it.
fn describe(choice: &Choice) -> Value {
    let manifest = choice.manifest();
    let component = Description::component_of(&manifest);
    let look = || -> Result<Description, String> {
        let text = stamp::read(&manifest, MANIFEST_BYTES_MAX)
            .map_err(|error| format!("`{}` cannot be read: {error}", manifest.display()))?;
        Description::parse(&String::from_utf8_lossy(&text.bytes))
            .map_err(|(reason, line)| format!("`{}`, line {line}: {reason}", manifest.display()))
    };
    let check = |description: &Description| -> Result<(), String> {
        let bytes = stamp::read(&component, COMPONENT_BYTES_MAX)
            .map_err(|error| format!("`{}` cannot be read: {error}", component.display()))?
            .bytes;
        let pinned = choice.pin.digest;
        if description.digest != pinned || Digest::of(&bytes) != pinned.0 {
            return Err(format!("`{}` or its manifest is not what was pinned", component.display()));
        }
        match description.view.iter().find(|view| !choice.pin.view.contains(view)) {
            Some(view) => Err(format!("it asks to read the folder `{}`, which is not granted", view.0)),
            None => Ok(()),
        }
    };
    let description = look();
    let problem = description.as_ref().map_err(Clone::clone).and_then(check).err();
    let description = description.ok();
    json!({
        "name": choice.name,
        "version": description.as_ref().map(|description| &description.version),
        "manifest": manifest.to_string_lossy(),
        "patterns": description.iter().flat_map(Description::patterns).collect::<Vec<_>>(),
        "digest": Pinned::text(choice.pin.digest.0),
        "view": choice.pin.view.iter().map(|view| &view.0).collect::<Vec<_>>(),
        "on_failure": choice.pin.on_failure.name(),
        "pinned_by": choice.origin.name(),
        "pinned_in": choice.configuration.to_string_lossy(),
        "problem": problem,
    })
}

/// Describes a plugin as it is now in one line, for a bug report.
#[must_use]
pub fn describe_in_a_line(choice: &Choice) -> String {
    let described = describe(choice);
    let text = |name: &str| described[name].as_str().unwrap_or("?").to_owned();
    let problem = described["problem"].as_str().map_or_else(String::new, |problem| format!(": {problem}"));
    format!("{} {} {} ({}){problem}", text("name"), text("version"), text("digest"), text("pinned_in"))
}

/// Removes a plugin from a configuration, which is returned. Its files stay.
///
/// # Errors
/// The configuration does not have it.
pub fn remove(context: Context<'_>, folder: &Path, name: &str, origin: Origin) -> Result<PathBuf> {
    let path = configuration(context, origin, folder)?;
    let (text, pins) = read(&path, origin)?;
    if !pins.contains_key(&Name(name.to_owned())) {
        let names: Vec<&str> = pins.keys().map(|name| name.0.as_str()).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(wrong(
            format!("`{}` has no plugin `{name}`", path.display()),
            format!("the plugins that it has: {known}; `zigimport plugin list` shows those of the other one too"),
        ));
    }
    let mut document = document(&text, &path)?;
    prune(document.as_table_mut(), keys(origin), name);
    write(&path, &with_endings_of(&text, document.to_string()))?;
    Ok(path)
}

/// Reads a document that can be written again with every byte of it.
fn document(text: &str, path: &Path) -> Result<DocumentMut> {
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        wrong(format!("`{}` is no TOML: {}", path.display(), error.message()), "mend it first")
    })?;
    let written = with_endings_of(text, document.to_string());
    // A last line without an end gets one.
    let without_end = written.strip_suffix("\r\n").or(written.strip_suffix('\n'));
    if written != text && without_end != Some(text) {
        let message = format!("`{}` cannot be edited without changing other lines", path.display());
        return Err(wrong(message, "let all lines end in the same way, and no mark be at its start"));
    }
    Ok(document)
}

/// Ends the lines of a new text as those of the old one end.
fn with_endings_of(old: &str, new: String) -> String {
    if old.contains("\r\n") { new.replace('\n', "\r\n") } else { new }
}

/// Removes a key below tables, and of these those that are empty then and have
/// no line of their own.
fn prune(table: &mut dyn TableLike, keys: &[&str], name: &str) {
    let Some((first, rest)) = keys.split_first() else {
        table.remove(name);
        return;
    };
    let Some(inner) = table.get_mut(first).and_then(Item::as_table_like_mut) else { return };
    prune(inner, rest, name);
    let is_implicit = inner.is_empty() && table.get(first).and_then(Item::as_table).is_some_and(Table::is_implicit);
    if is_implicit {
        table.remove(first);
    }
}

/// Returns the text of a configuration with a pin.
fn with_pin(text: &str, path: &Path, origin: Origin, name: &Name, pin: &Pin) -> Result<String> {
    let mut document = document(text, path)?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for key in keys(origin) {
        let item = table.entry(key).or_insert_with(|| {
            let mut made = Table::new();
            made.set_implicit(true);
            Item::Table(made)
        });
        table = item
            .as_table_like_mut()
            .ok_or_else(|| wrong(format!("`{key}` in `{}` is no table", path.display()), "mend it first"))?;
    }
    let made = table.entry(&name.0).or_insert_with(|| Item::Table(Table::new()));
    let made = made
        .as_table_like_mut()
        .ok_or_else(|| wrong(format!("`{}` in `{}` is no table", name.0, path.display()), "mend it first"))?;
    let views: Array = pin.view.iter().map(|view| view.0.as_str()).collect();
    set(made, "manifest", value(&pin.manifest));
    set(made, "digest", value(Pinned::text(pin.digest.0)));
    for (key, item, is_default) in [
        ("view", value(views), pin.view.is_empty()),
        ("on-failure", value(pin.on_failure.name()), pin.on_failure == OnFailure::default()),
    ] {
        if is_default && !made.contains_key(key) {
            continue;
        }
        set(made, key, item);
    }
    let text = with_endings_of(text, document.to_string());
    // What we write has to be what we read.
    parse(&text, path, origin).map(|_| text)
}

/// Sets a value and leaves the comments around the old one.
fn set(table: &mut dyn TableLike, key: &str, mut item: Item) {
    let Some(old) = table.get_mut(key) else {
        table.insert(key, item);
        return;
    };
    if let (Some(old), Some(new)) = (old.as_value(), item.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    *old = item;
}

/// Replaces a configuration as a whole, with the permissions that it has.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| Error::file("write", path, &error);
    // A link to it stays one.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let folder = Dir::open_ambient_dir(folder, cap_std::ambient_authority()).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    publish(&folder, &name, text.as_bytes(), mode(&path), Existing::Replace).map(drop).map_err(failed)
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().map_or(0o644, |metadata| metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> u32 {
    0o644
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(content: &[u8]) -> Pin {
        Pin {
            manifest: "plugins/p.toml".into(),
            digest: Pinned(Digest::of(content)),
            view: Vec::new(),
            on_failure: OnFailure::Stop,
        }
    }

    fn added(text: &str, origin: Origin, name: &str, pin: &Pin) -> String {
        with_pin(text, Path::new("f"), origin, &Name(name.into()), pin).unwrap()
    }

    fn removed(text: &str, origin: Origin, name: &str) -> String {
        let mut document = document(text, Path::new("f")).unwrap();
        prune(document.as_table_mut(), keys(origin), name);
        document.to_string()
    }

    #[test]
    fn every_byte_of_a_file_stays_and_removing_brings_the_file_back() {
        for text in [
            "",
            "[project]\nname = 'x'   # a comment\n",
            "# first\n[tool.zigimport]\noptimize = \"Debug\"\n\n\n[tool.other]\n x=1",
            "[tool]\nzigimport.optimize = 'Debug'\n[[tool.list]]\na = 1\n",
            "[tool.zigimport.plugins.a]\nmanifest = 'a.toml' # mine\ndigest = 'sha256:0000000000000000000000000000000000000000000000000000000000000000'\n# the end\n",
            "[tool.black]\nline-length = 99\n\n[tool.zigimport.plugins] # all of them\n",
        ] {
            let made = added(text, Origin::Project, "p", &pin(b"1"));
            assert_eq!(parse(&made, Path::new("f"), Origin::Project).unwrap()[&Name("p".into())], pin(b"1"), "{made}");
            for line in text.lines() {
                assert!(made.lines().any(|one| one == line), "{line:?} is not in\n{made}");
            }
            assert_eq!(removed(&made, Origin::Project, "p").trim_end(), text.trim_end());
            assert_eq!(added(&made, Origin::Project, "p", &pin(b"1")), made);
        }
    }

    #[test]
    fn line_endings_stay_and_a_mixture_is_refused() {
        let text = "[project]\r\nname = 'x'\r\n";
        let made = added(text, Origin::Project, "p", &pin(b"1"));
        assert!(made.starts_with(text) && made.matches('\n').count() == made.matches("\r\n").count(), "{made:?}");
        for text in ["a = 1\r\nb = 2\n", "\u{feff}a = 1\n"] {
            let made = with_pin(text, Path::new("f"), Origin::Project, &Name("p".into()), &pin(b"1"));
            assert!(made.as_ref().is_ok_and(|made| made.starts_with(text)) || made.is_err(), "{made:?}");
        }
    }

    #[test]
    fn an_upgrade_changes_the_digest_and_leaves_what_the_user_wrote() {
        let made = added("# mine\n", Origin::User, "p", &pin(b"1"));
        let made = made.replace("\nmanifest", "\n# why\non-failure = \"no-cache\"  # later\nmanifest");
        let upgraded = added(&made, Origin::User, "p", &Pin { on_failure: OnFailure::NoCache, ..pin(b"2") });
        assert_eq!(upgraded, made.replace(&Digest::of(b"1").hex(), &Digest::of(b"2").hex()));
    }

    #[test]
    fn a_table_in_one_line_is_added_to() {
        let made = added("[tool]\nzigimport = { optimize = \"Debug\" }\n", Origin::Project, "p", &pin(b"1"));
        assert_eq!(parse(&made, Path::new("f"), Origin::Project).unwrap().len(), 1, "{made}");
        assert!(made.contains("optimize = \"Debug\""), "{made}");
    }

    #[test]
    fn a_file_of_another_kind_is_an_error_and_no_panic() {
        for text in [
            "tool = 1\n",
            "[tool]\nzigimport = 'x'\n",
            "[[tool.zigimport]]\na = 1\n",
            "[tool.zigimport]\nplugins = []\n",
        ] {
            let refused = with_pin(text, Path::new("f"), Origin::Project, &Name("p".into()), &pin(b"1"));
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }
}
