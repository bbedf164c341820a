//! Gives the files of a closure to the plugins that claim them, and takes what
//! they answer as inputs.
//!
//! Files that a plugin names are given to plugins in turn. What a plugin said of
//! the same bytes is remembered in memory: it is deterministic, and cannot see
//! anything else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::description::{Description, MANIFEST_BYTES_MAX, Pinned};
use super::engine::{Fault, Found, Loaded, Operand, Program};
use super::files::Files;
use super::pins::{self, Choice};
use super::{COMPONENT_BYTES_MAX, Failure, Participant, Tracked};
use crate::closure::{self, Closure, Input, Role};
use crate::digest::{Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::plan::Context;
use crate::sources::Sources;
use crate::stamp::{self, Stamp};

/// More inputs than this in one module are a wrong plugin.
const INPUTS_MAX: usize = 20_000;
/// Answers that are remembered; then all are forgotten.
const ANSWERS_MAX: usize = 10_000;

/// What a plugin may answer, for a person.
pub const EXPECTED_ANSWER: &str = "expected a path in the project, relative to the folder of that file, with `/`";

/// What plugins answered, by everything that the answer depends on.
static ANSWERS: Mutex<BTreeMap<Digest, Vec<Found>>> = Mutex::new(BTreeMap::new());
/// Components that were hashed, with the stamps that they had.
static COMPONENTS: Mutex<BTreeMap<PathBuf, Input>> = Mutex::new(BTreeMap::new());

/// A clause about a file of the plugin's own or of the project: where, what, and
/// whom to blame.
struct Complaint {
    path: PathBuf,
    line: u32,
    reason: String,
    remedy: Remedy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// The plugin is wrong, or the file is.
    Plugin,
    /// What is pinned is not what is there.
    Pin,
    /// Something is not installed.
    Engine,
}

/// A plugin with what is known of it.
struct Plugin {
    choice: Choice,
    description: Description,
    view: Vec<(String, PathBuf)>,
    /// Of all that it may read; `None` until it was asked for the first time.
    view_digest: Option<Digest>,
    files: BTreeSet<String>,
    failed: bool,
}

struct Walk<'a> {
    context: Context<'a>,
    closure: &'a mut Closure,
    files: Files,
    /// Where each input is in the closure.
    known: BTreeMap<PathBuf, usize>,
    /// What plugins were or will be asked about.
    given: BTreeSet<PathBuf>,
    pending: VecDeque<usize>,
    tracked: BTreeSet<Tracked>,
}

/// Asks the plugins about every file of a closure. Returns whether that was what
/// the closure was scanned from: `false` if a file changed meanwhile.
///
/// A plugin that fails is noted in the closure.
///
/// # Errors
/// The user's configuration cannot be read.
pub fn follow(context: Context<'_>, sources: &Sources, closure: &mut Closure) -> Result<bool> {
    let user = match &context.layer.user_configuration {
        Some(path) => sources.user_configuration(path)?,
        None => None,
    };
    let project = closure.settings_file.as_ref().map(|file| (file.path.as_path(), &closure.project_settings.plugins));
    let choices = pins::merged(project, user.as_deref().map(|(input, pins)| (input.path.as_path(), pins)));
    if let Some((input, _)) = user.as_deref() {
        let relative = closure::relative_to(&input.path, &closure.project_root);
        closure.plugin_files.push(Input { relative, ..input.clone() });
        // Whether it is there is in the name of the manifest.
        closure.user_configuration = Some(input.path.clone());
    }
    if choices.is_empty() {
        return Ok(true);
    }
    let root = closure.project_root.clone();
    let mut plugins = Vec::new();
    for choice in choices {
        match describe(&choice, closure) {
            Ok(description) => plugins.push(Plugin {
                choice,
                description,
                view: Vec::new(),
                view_digest: None,
                files: BTreeSet::new(),
                failed: false,
            }),
            // Which files it is for is not known: so it may be any.
            Err(complaint) => note(closure, &choice, None, complaint),
        }
    }
    let files = Files::below(&root).map_err(|error| Error::Scan { path: root.clone(), reason: error.to_string() })?;
    let mut walk = Walk {
        known: closure.inputs.iter().enumerate().map(|(index, input)| (input.path.clone(), index)).collect(),
        given: closure.inputs.iter().map(|input| input.path.clone()).collect(),
        pending: (0..closure.inputs.len()).collect(),
        tracked: BTreeSet::new(),
        context,
        closure,
        files,
    };
    let is_same = walk.run(&mut plugins)?;
    let Walk { files, tracked, .. } = walk;
    closure.absent.extend(files.absent);
    let listed: BTreeSet<PathBuf> = closure.folders.iter().map(|folder| folder.path.clone()).collect();
    closure.folders.extend(files.folders.into_values().filter(|folder| !listed.contains(&folder.path)));
    closure.tracked = tracked.into_iter().collect();
    closure.participants =
        plugins.into_iter().filter(|plugin| !plugin.files.is_empty()).map(Plugin::participant).collect();
    // Inputs that were found last are not in their place yet.
    closure.add_inputs([]);
    Ok(is_same)
}

/// Reads the manifest of a plugin.
fn describe(choice: &Choice, closure: &mut Closure) -> Result<Description, Complaint> {
    let path = choice.manifest();
    let complain = |reason: String, line: u32| Complaint { path: path.clone(), line, reason, remedy: Remedy::Pin };
    let read = closure::read_input(&path, Role::Project, &closure.project_root, MANIFEST_BYTES_MAX);
    let (input, bytes) = match read {
        Ok(read) => read,
        Err(error) => {
            closure.absent.push(path.clone());
            return Err(complain(format!("its manifest cannot be read: {}", reason_of(&error)), 0));
        }
    };
    closure.plugin_files.push(input);
    let description = Description::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|(reason, line)| complain(format!("its manifest is not valid: {reason}"), line))?;
    if description.name.0 != choice.name {
        return Err(complain(format!("its manifest names it `{}`", description.name.0), 0));
    }
    if description.digest != choice.pin.digest {
        let (now, pinned) = (Pinned::text(description.digest.0), Pinned::text(choice.pin.digest.0));
        let pinned_in = choice.configuration.display();
        return Err(complain(format!("its manifest is of the component {now}, and `{pinned_in}` pins {pinned}"), 0));
    }
    Ok(description)
}

fn reason_of(error: &Error) -> String {
    match error {
        Error::Scan { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// Notes the first failure; one that stops hides one that does not.
fn note(closure: &mut Closure, choice: &Choice, version: Option<&str>, complaint: Complaint) {
    let Complaint { path, line, reason, remedy } = complaint;
    let reason = on_one_line(&reason);
    let name = &choice.name;
    let user = if choice.origin == pins::Origin::User { " --user" } else { "" };
    let hint = match remedy {
        Remedy::Plugin => format!(
            "mend the plugin or the file, or `zigimport plugin remove{user} {name}`; with on-failure = \"no-cache\" \
             in `{}` modules are built without it, and not cached",
            choice.configuration.display()
        ),
        Remedy::Pin => format!(
            "if it is what you want now: `zigimport plugin add{user} {}`; else put back what was there",
            choice.manifest().display()
        ),
        Remedy::Engine => "pip install zigimport-plugins".to_owned(),
    };
    let failure = Failure {
        plugin: name.clone(),
        version: version.map(str::to_owned),
        path,
        line,
        reason,
        hint,
        is_environment: remedy == Remedy::Engine,
        on_failure: choice.pin.on_failure,
    };
    if closure.plugin_failure.as_ref().is_none_or(|first| !first.stops() && failure.stops()) {
        closure.plugin_failure = Some(failure);
    }
}

/// Writes what a plugin says so that it moves no cursor and begins no line.
fn on_one_line(text: &str) -> String {
    let escaped = |character: char| match character.is_control() {
        true => character.escape_default().collect::<String>(),
        false => character.to_string(),
    };
    text.trim_end().chars().map(escaped).collect()
}

impl Plugin {
    fn participant(self) -> Participant {
        let Choice { name, pin, origin, .. } = self.choice;
        Participant {
            name,
            version: self.description.version,
            digest: pin.digest.0,
            view: self.description.view.into_iter().map(|view| view.0).collect(),
            origin,
            on_failure: pin.on_failure,
            files: self.files.into_iter().collect(),
        }
    }
}

impl Walk<'_> {
    fn run(&mut self, plugins: &mut [Plugin]) -> Result<bool> {
        while let Some(index) = self.pending.pop_front() {
            let input = self.closure.inputs[index].clone();
            // What lies outside is not the project's.
            if input.relative.starts_with("../") {
                continue;
            }
            for plugin in plugins.iter_mut().filter(|plugin| !plugin.failed) {
                if !plugin.description.claims(&input.relative) {
                    continue;
                }
                plugin.files.insert(input.relative.clone());
                match self.ask(plugin, &input) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(complaint) => {
                        plugin.failed = true;
                        note(self.closure, &plugin.choice, Some(&plugin.description.version), complaint);
                        if self.closure.plugin_failure.as_ref().is_some_and(Failure::stops) {
                            return Ok(true);
                        }
                    }
                }
            }
        }
        Ok(true)
    }

    /// Asks one plugin about one file, and takes its answer.
    fn ask(&mut self, plugin: &mut Plugin, input: &Input) -> Result<bool, Complaint> {
        self.prepare(plugin)?;
        let complain =
            |line: u32, reason: String| Complaint { path: input.path.clone(), line, reason, remedy: Remedy::Plugin };
        let mut hasher = FieldHasher::new("plugin answer");
        hasher.field("component", &plugin.choice.pin.digest.0.0);
        hasher.field("view", &plugin.view_digest.map_or([0; 32], |digest| digest.0));
        hasher.field("path", input.relative.as_bytes());
        hasher.field("source", &input.digest.0);
        let asked = hasher.finish();
        // Another thread that has it is not waited for: a fork may have lost it.
        let remembered = ANSWERS.try_lock().ok().and_then(|answers| answers.get(&asked).cloned());
        let answer = match remembered {
            Some(answer) => answer,
            None => {
                let content = stamp::read(&input.path, closure::INPUT_BYTES_MAX)
                    .map_err(|error| complain(0, format!("it cannot be read: {error}")))?;
                if Digest::of(&content.bytes) != input.digest {
                    return Ok(false);
                }
                let answer = self.answer(plugin, input, &content.bytes)?;
                if let Ok(mut answers) = ANSWERS.try_lock() {
                    if answers.len() >= ANSWERS_MAX {
                        answers.clear();
                    }
                    answers.insert(asked, answer.clone());
                }
                answer
            }
        };
        let folder = input.path.parent().unwrap_or(Path::new("/")).to_owned();
        for found in answer {
            self.take(plugin, input, &folder, &found).map_err(|reason| {
                complain(
                    found.line,
                    format!(
                        "it answered the {} `{}`, {reason}; {EXPECTED_ANSWER}",
                        found.kind.name(),
                        found.operand.escape_debug(),
                    ),
                )
            })?;
        }
        Ok(true)
    }

    fn answer(&self, plugin: &Plugin, input: &Input, source: &[u8]) -> Result<Vec<Found>, Complaint> {
        let Context { frontend, store, is_dry, .. } = self.context;
        let engine = frontend.plugin_engine();
        let digest = plugin.choice.pin.digest.0;
        let component = Description::component_of(&plugin.choice.manifest());
        let load = || {
            let content = stamp::read(&component, COMPONENT_BYTES_MAX)
                .map_err(|error| Fault::Plugin(format!("`{}` cannot be read: {error}", component.display()), 0))?;
            if Digest::of(&content.bytes) != digest {
                return Err(Fault::Plugin(format!("`{}` is being changed", component.display()), 0));
            }
            let name = engine.name()?;
            let mut image = store.plugin_image(digest, &name);
            if image.is_none() && !is_dry {
                let compiled = engine.compile(&content.bytes)?;
                // Without it the next process compiles again.
                let _ = store.put_plugin_image(digest, &name, &compiled);
                image = Some(compiled);
            }
            Ok(Loaded { component: content.bytes, image })
        };
        let program = Program { digest, view: &plugin.view, load: &load };
        engine.track(&program, &input.relative, source).map_err(|fault| {
            let path = input.path.clone();
            match fault {
                Fault::Engine(reason) => Complaint { path, line: 0, reason, remedy: Remedy::Engine },
                Fault::Plugin(reason, line) => Complaint { path, line, reason, remedy: Remedy::Plugin },
            }
        })
    }

    /// Checks the component, and takes all that the plugin may read as inputs.
    fn prepare(&mut self, plugin: &mut Plugin) -> Result<(), Complaint> {
        if plugin.view_digest.is_some() {
            return Ok(());
        }
        let manifest = plugin.choice.manifest();
        let complain =
            |path: &Path, reason: String| Complaint { path: path.to_owned(), line: 0, reason, remedy: Remedy::Pin };
        let path = Description::component_of(&manifest);
        let component = component(&path, &self.closure.project_root)
            .map_err(|error| complain(&path, format!("its component cannot be read: {}", reason_of(&error))))?;
        let pinned = plugin.choice.pin.digest.0;
        if component.digest != pinned {
            let (now, pinned) = (Pinned::text(component.digest), Pinned::text(pinned));
            let pinned_in = plugin.choice.configuration.display();
            return Err(complain(&path, format!("its component is {now}, and `{pinned_in}` pins {pinned}")));
        }
        self.closure.plugin_files.push(component);
        let mut hasher = FieldHasher::new("view");
        for view in plugin.description.view.clone() {
            if !plugin.choice.pin.view.contains(&view) {
                let pinned_in = plugin.choice.configuration.display();
                let reason = format!("it asks to read the folder `{}`, which `{pinned_in}` does not grant", view.0);
                return Err(complain(&manifest, reason));
            }
            let refused = |reason: String| Complaint {
                path: manifest.clone(),
                line: 0,
                reason: format!("it may read the folder `{}`, {reason}", view.0),
                remedy: Remedy::Plugin,
            };
            let Some((place, files)) = self.files.view(&view.0).map_err(refused)? else { continue };
            hasher.field("folder", view.0.as_bytes());
            for folder in self.files.folders.values().filter(|folder| folder.path.starts_with(&place)) {
                hasher.field("listing", &folder.digest.0);
            }
            for file in files {
                let index = self.add(&file).map_err(refused)?;
                hasher.field("file", file.as_os_str().as_encoded_bytes());
                hasher.field("digest", &self.closure.inputs[index].digest.0);
            }
            plugin.view.push((view.0, place));
        }
        plugin.view_digest = Some(hasher.finish());
        Ok(())
    }

    /// Takes one answer.
    fn take(&mut self, plugin: &Plugin, input: &Input, folder: &Path, found: &Found) -> Result<(), String> {
        let named = match found.kind {
            Operand::File => {
                let (path, is_there) = self.files.file(folder, &found.operand)?;
                self.tracked_by(plugin, input, &path, found.line);
                if is_there { vec![path] } else { Vec::new() }
            }
            Operand::Glob => self.files.glob(folder, &found.operand)?,
        };
        for path in named {
            self.tracked_by(plugin, input, &path, found.line);
            let index = self.add(&path)?;
            if self.given.insert(path) {
                self.pending.push_back(index);
            }
        }
        Ok(())
    }

    fn tracked_by(&mut self, plugin: &Plugin, input: &Input, path: &Path, line: u32) {
        let (from, to) = (input.path.clone(), path.to_owned());
        self.tracked.insert(Tracked { from, to, plugin: plugin.choice.name.clone(), line: line.max(1) });
    }

    /// Makes a file an input if it is none yet, and returns where it is.
    fn add(&mut self, path: &Path) -> Result<usize, String> {
        if let Some(index) = self.known.get(path) {
            return Ok(*index);
        }
        let inputs = &mut self.closure.inputs;
        if inputs.len() >= INPUTS_MAX {
            return Err(format!("and the module has more than {INPUTS_MAX} inputs then"));
        }
        let read = closure::read_input(path, Role::Tracked, &self.closure.project_root, closure::INPUT_BYTES_MAX);
        let (input, _) = read.map_err(|error| format!("which cannot be read: {}", reason_of(&error)))?;
        inputs.push(input);
        self.known.insert(path.to_owned(), inputs.len() - 1);
        Ok(inputs.len() - 1)
    }
}

/// Reads a component as an input, and hashes it if that was not done before.
fn component(path: &Path, root: &Path) -> Result<Input> {
    let known = COMPONENTS.try_lock().ok().and_then(|components| components.get(path).cloned());
    if let Some(input) = known.filter(|input| input.trusted && Stamp::at(path).is_ok_and(|stamp| stamp == input.stamp))
    {
        return Ok(Input { relative: closure::relative_to(path, root), ..input });
    }
    let (input, _) = closure::read_input(path, Role::Project, root, COMPONENT_BYTES_MAX)?;
    if let Ok(mut components) = COMPONENTS.try_lock() {
        components.insert(path.to_owned(), input.clone());
    }
    Ok(input)
}
