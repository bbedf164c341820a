//! The scanned closure: every file that a module is known to be made of before
//! anything is built.
//!
//! Files are read here and scanned in the sandbox; nothing is executed. What
//! the compiler reads beyond this set is learnt after the build, see
//! [`crate::store::Discovered`].

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::config::{ModuleSettings, ProjectSettings};
use crate::digest::Digest;
use crate::editor;
use crate::error::{Error, Result};
use crate::guest::{Scanner, source};
use crate::headers;
use crate::plugin::{Failure, Participant, Tracked};
use crate::sources::{Found, Known, Sources};
use crate::stamp::{self, Stamp};

/// A source larger than this is no source; the scanner has the same limit.
pub const SOURCE_BYTES_MAX: u64 = 128 << 20;
/// A file that is embedded or belongs to a project may be this large.
pub(crate) const INPUT_BYTES_MAX: u64 = 1 << 30;
/// More files than this in one project module is a wrong folder.
const PROJECT_FILES_MAX: usize = 20_000;

/// What kind of module a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModuleKind {
    /// `b.zig`
    File,
    /// `b/__init__.zig`
    Package,
    /// `b/build.zig`
    Project,
}

impl ModuleKind {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Package => "package",
            Self::Project => "project",
        }
    }
}

/// A module that somebody wants: its dotted name and its own file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Module {
    /// Dotted name.
    pub name: String,
    /// Absolute path of `b.zig`, `b/__init__.zig` or `b/build.zig`.
    pub source_path: PathBuf,
    /// Which of the three.
    pub kind: ModuleKind,
}

impl Module {
    /// Returns the folder of the module's own file.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.source_path.parent().unwrap_or(Path::new("/"))
    }

    /// Returns the last component of the dotted name.
    #[must_use]
    pub fn leaf(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// Returns the name of the init function that CPython looks for (PEP 489).
    #[must_use]
    pub fn init_symbol(&self) -> String {
        let leaf = self.leaf();
        if leaf.is_ascii() {
            return format!("PyInit_{leaf}");
        }
        let encoded = punycode::encode(leaf).unwrap_or_default();
        format!("PyInitU_{}", encoded.replace('-', "_"))
    }

    /// Makes a module of a path as a person names it: a `.zig` file, or the
    /// folder of a package or project.
    ///
    /// # Errors
    /// The path is none of these, or its name cannot be imported.
    pub fn from_path(path: &Path) -> Result<Self> {
        let absolute = std::path::absolute(path)
            .map(|path| normalize(&path))
            .map_err(|error| Error::cache("find", path, &error))?;
        let (source_path, kind) = classify(&absolute)?;
        // A package or project is named by its folder.
        let named = if kind == ModuleKind::File { Some(source_path.as_path()) } else { source_path.parent() };
        let above = named.and_then(Path::parent).map(package_of).unwrap_or_default();
        Self::named(source_path, kind, &above)
    }

    /// Makes a module of its own file and the names of the packages that it lies in.
    ///
    /// # Errors
    /// Its name cannot be imported.
    pub(crate) fn named(source_path: PathBuf, kind: ModuleKind, above: &[String]) -> Result<Self> {
        let named =
            if kind == ModuleKind::File { source_path.as_path() } else { source_path.parent().unwrap_or(&source_path) };
        let leaf = named.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = above.iter().chain(std::iter::once(&leaf)).map(String::as_str).collect::<Vec<_>>().join(".");
        let module = Self { name, source_path, kind };
        module.check_name()?;
        Ok(module)
    }

    /// Checks that the name can stand in an import statement.
    ///
    /// # Errors
    /// Says which file to rename, and how.
    pub fn check_name(&self) -> Result<()> {
        let leaf = self.leaf();
        let mut characters = leaf.chars();
        let starts = characters.next().is_some_and(|first| first == '_' || first.is_alphabetic());
        if starts && characters.all(|other| other == '_' || other.is_alphanumeric()) {
            return Ok(());
        }
        let suggestion: String = leaf.chars().map(|other| if other.is_alphanumeric() { other } else { '_' }).collect();
        Err(Error::Module {
            message: format!("`{}` cannot be imported: `{leaf}` is no Python identifier", self.source_path.display()),
            hint: Some(format!("rename it, for example to `{}`", suggestion.trim_start_matches(char::is_numeric))),
        })
    }
}

fn classify(path: &Path) -> Result<(PathBuf, ModuleKind)> {
    if path.is_dir() {
        for (name, kind) in [("build.zig", ModuleKind::Project), ("__init__.zig", ModuleKind::Package)] {
            let candidate = path.join(name);
            let is_it = if kind == ModuleKind::Project { editor::is_project_file } else { Path::is_file };
            if is_it(&candidate) {
                return Ok((candidate, kind));
            }
        }
        return Err(Error::Module {
            message: format!("`{}` has neither `build.zig` nor `__init__.zig`", path.display()),
            hint: Some("name a .zig file, or the folder of a package or project module".to_owned()),
        });
    }
    if !path.exists() {
        let source = path.with_extension("zig");
        let hint = source.is_file().then(|| format!("there is `{}`", source.display()));
        return Err(Error::Module { message: format!("`{}` does not exist", path.display()), hint });
    }
    match path.file_name().and_then(|name| name.to_str()) {
        Some("build.zig") => Ok((path.to_owned(), ModuleKind::Project)),
        Some("__init__.zig") => Ok((path.to_owned(), ModuleKind::Package)),
        Some(name) if name.ends_with(".zig") => Ok((path.to_owned(), ModuleKind::File)),
        _ => Err(Error::Module {
            message: format!("`{}` is no Zig source", path.display()),
            hint: Some("name a .zig file, or the folder of a package or project module".to_owned()),
        }),
    }
}

fn is_package(folder: &Path) -> bool {
    ["__init__.py", "__init__.zig"].iter().any(|name| folder.join(name).is_file())
}

/// Returns the names of the packages that a folder is and lies in, the outermost first.
pub(crate) fn package_of(folder: &Path) -> Vec<String> {
    let packages = folder.ancestors().take_while(|folder| is_package(folder));
    let mut names: Vec<String> =
        packages.map(|folder| folder.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    names.reverse();
    names
}

/// Resolves `.` and `..` by name alone, as the compiler does.
#[must_use]
pub fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::with_capacity(path.as_os_str().len());
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !normal.pop() {
                    normal.push("..");
                }
            }
            other => normal.push(other),
        }
    }
    normal
}

/// What a file is to a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The module's own file.
    Root,
    /// Reached by `@import`.
    Source,
    /// Reached by `@embedFile`.
    Embedded,
    /// Reached by `@cInclude` or `#include`.
    Header,
    /// In the folder of a project module.
    Project,
    /// Named in the settings of the file, compiled along.
    CSource,
    /// Of the package of a binding library.
    Library,
    /// Named by a plugin, or read by one.
    Tracked,
}

impl Role {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Source => "source",
            Self::Embedded => "embedded",
            Self::Header => "header",
            Self::Project => "project",
            Self::CSource => "c-source",
            Self::Library => "library",
            Self::Tracked => "tracked",
        }
    }
}

/// One file of the closure.
#[derive(Debug, Clone)]
pub struct Input {
    /// Absolute.
    pub path: PathBuf,
    /// Relative to the project root, with `/`.
    pub relative: String,
    /// What it is to the module.
    pub role: Role,
    /// Of the content.
    pub digest: Digest,
    /// Taken before the content was read.
    pub stamp: Stamp,
    /// Whether the stamp may stand for the content later.
    pub trusted: bool,
}

/// A folder whose listing decided what the inputs are.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Absolute.
    pub path: PathBuf,
    /// Of the names in it.
    pub digest: Digest,
    /// Taken before it was listed.
    pub stamp: Stamp,
    /// Whether the stamp may stand for the listing later.
    pub trusted: bool,
}

/// A place in a file that a person should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Relative to the project root.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// What is remarkable.
    pub text: String,
}

/// A module's closure and what the scan of its files says.
#[derive(Debug, Clone)]
pub struct Closure {
    /// The folder that inputs are named relative to.
    pub project_root: PathBuf,
    /// Sorted by relative path.
    pub inputs: Vec<Input>,
    /// Listed folders: those of a project module, and those that a plugin's globs lead to.
    pub folders: Vec<Folder>,
    /// The `pyproject.toml` that settings came from: an input of the manifest,
    /// but not of the key, which holds the settings themselves.
    pub settings_file: Option<Input>,
    /// The user's configuration, and the manifests and components of plugins:
    /// the same holds for them.
    pub plugin_files: Vec<Input>,
    /// The user's configuration, if it is there.
    pub user_configuration: Option<PathBuf>,
    /// The plugins that were asked about files.
    pub participants: Vec<Participant>,
    /// What they named.
    pub tracked: Vec<Tracked>,
    /// Why one of them could not.
    pub plugin_failure: Option<Failure>,
    /// Paths that were looked for and are not there.
    pub absent: Vec<PathBuf>,
    /// Where C sources and `@cInclude` look for headers.
    pub header_folders: Vec<PathBuf>,
    /// `[tool.zigimport]`.
    pub project_settings: ProjectSettings,
    /// What the module's own file sets.
    pub module_settings: ModuleSettings,
    /// The scan of the module's own file.
    pub root_scan: Arc<source::Scan>,
    /// The scans of the Zig files that it imports, at whatever depth.
    pub imported_scans: Vec<(PathBuf, Arc<source::Scan>)>,
    /// Whether a file calls `@cImport`.
    pub c_import: bool,
    /// Whether a file imports or embeds one whose name is computed.
    pub is_computed: bool,
    /// Whether a file imports the module `Python.h`.
    pub translate_c: bool,
    /// How the module speaks to Python, over all its files.
    pub binding: source::Binding,
    /// Operands that are not literals, invalid tokens.
    pub remarks: Vec<Remark>,
    /// What a project's `build.zig.zon` and those that it leads to fetch.
    pub packages: Vec<PinnedPackage>,
}

/// A package that is fetched, named by the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedPackage {
    /// As the `build.zig.zon` has it, which is the name of its folder.
    pub hash: String,
    /// Whether it is fetched only when the build asks for it.
    pub lazy: bool,
    /// The `build.zig.zon`.
    pub named_by: PathBuf,
    /// Line of the hash, from 1.
    pub line: u32,
}

/// Finds the project root of a module: the nearest folder with a
/// `pyproject.toml`, else with a `build.zig`, else the folder that holds the
/// outermost package. Returns it with the settings file and the candidates for
/// one that are absent.
fn project_root(module: &Module) -> (PathBuf, Option<PathBuf>, Vec<PathBuf>) {
    let own = module.source_path.parent().unwrap_or(Path::new("/"));
    let mut absent = Vec::new();
    for folder in own.ancestors() {
        let candidate = folder.join("pyproject.toml");
        if candidate.is_file() {
            return (folder.to_owned(), Some(candidate), absent);
        }
        absent.push(candidate);
    }
    if let Some(folder) = own.ancestors().find(|folder| editor::is_project_file(&folder.join("build.zig"))) {
        return (folder.to_owned(), None, absent);
    }
    let outermost = own.ancestors().find(|folder| !is_package(folder)).unwrap_or(own);
    (outermost.to_owned(), None, absent)
}

/// Names `path` relative to `root`, with `/` and with `..` where it must.
#[must_use]
pub fn relative_to(path: &Path, root: &Path) -> String {
    // What it mostly is, without taking it apart.
    if cfg!(unix)
        && let (Some(path), Some(root)) = (path.to_str(), root.to_str())
        && let Some(below) = path.strip_prefix(root).and_then(|below| below.strip_prefix('/'))
        && is_normal(below)
    {
        return below.to_owned();
    }
    let mut root_components = root.components().peekable();
    let mut components = path.components().peekable();
    while root_components.peek().is_some() && root_components.peek() == components.peek() {
        root_components.next();
        components.next();
    }
    let mut parts: Vec<String> = root_components.map(|_| "..".to_owned()).collect();
    parts.extend(components.map(|part| name_of(part.as_os_str())));
    parts.join("/")
}

/// Returns whether a path has nothing but names, and one `/` between them.
fn is_normal(path: &str) -> bool {
    // A name that begins with a dot may be `.` or `..`.
    !path.is_empty() && path.split('/').all(|name| !name.is_empty() && !name.starts_with('.'))
}

/// Names a file name that is no text so that two different ones stay different.
fn name_of(name: &std::ffi::OsStr) -> String {
    match name.to_str() {
        Some(name) => name.to_owned(),
        None => format!("{}#{}", name.to_string_lossy(), Digest::of(name.as_encoded_bytes())),
    }
}

/// One file as it was read and scanned.
struct Scanned {
    input: Input,
    scan: Option<Arc<source::Scan>>,
}

/// Scans a module's closure, and reads every file for that.
///
/// # Errors
/// As [`scan_with`].
pub fn scan(module: &Module) -> Result<Closure> {
    scan_with(&Sources::unknown(), module)
}

/// What the folder of a module's own file decides.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    settings_file: Option<Input>,
    settings: ProjectSettings,
    absent: Vec<PathBuf>,
}

impl Project {
    fn of(module: &Module) -> Result<Self> {
        let (root, settings_path, absent) = project_root(module);
        let settings_file =
            settings_path.map(|path| read_input(&path, Role::Project, &root, INPUT_BYTES_MAX)).transpose()?;
        let settings = match &settings_file {
            Some((input, bytes)) => ProjectSettings::parse(&String::from_utf8_lossy(bytes), &input.path)?,
            None => ProjectSettings::default(),
        };
        Ok(Self { root, settings_file: settings_file.map(|(input, _)| input), settings, absent })
    }
}

/// Scans a module's closure.
///
/// # Errors
/// Names the file that cannot be read or scanned. An import that leads to no
/// file is the compiler's to report, with its place.
pub fn scan_with(sources: &Sources, module: &Module) -> Result<Closure> {
    let Project { root, settings_file, settings: project_settings, mut absent } =
        sources.project(module.folder(), || Project::of(module))?;
    let mut closure = Closure {
        project_root: root,
        inputs: Vec::new(),
        folders: Vec::new(),
        settings_file,
        plugin_files: Vec::new(),
        user_configuration: None,
        participants: Vec::new(),
        tracked: Vec::new(),
        plugin_failure: None,
        absent: Vec::new(),
        header_folders: Vec::new(),
        project_settings,
        module_settings: ModuleSettings::default(),
        root_scan: empty_scan(),
        imported_scans: Vec::new(),
        c_import: false,
        is_computed: false,
        translate_c: false,
        binding: source::Binding::Plain,
        remarks: Vec::new(),
        packages: Vec::new(),
    };
    match module.kind {
        ModuleKind::File | ModuleKind::Package => follow(sources, module, &mut closure, &mut absent)?,
        ModuleKind::Project => walk(sources, module, &mut closure, &mut absent)?,
    }
    let lines = closure.root_scan.settings.iter().map(|line| (line.name.as_str(), line.value.as_str(), line.line));
    closure.module_settings = ModuleSettings::parse(lines, &module.source_path)?;
    if module.kind != ModuleKind::Project {
        headers::follow(sources, module, &mut closure, &mut absent)?;
    }
    closure.sort_inputs();
    closure.absent = absent;
    Ok(closure)
}

impl Closure {
    /// Returns the C sources that the module's settings name.
    #[must_use]
    pub fn c_sources(&self, module: &Module) -> Vec<PathBuf> {
        self.module_settings.c_sources.iter().map(|name| normalize(&module.folder().join(name))).collect()
    }

    /// Returns the folders in which `@cInclude` and the C sources look for
    /// headers, before those of Python and of the system.
    #[must_use]
    pub fn include_folders(&self, module: &Module) -> Vec<PathBuf> {
        let own = self.c_import.then(|| module.folder().to_owned());
        let named = self.module_settings.include_paths.iter().map(|name| normalize(&module.folder().join(name)));
        own.into_iter().chain(named).collect()
    }

    /// Adds inputs that no source names, such as a library's.
    pub fn add_inputs(&mut self, inputs: impl IntoIterator<Item = Input>) {
        self.inputs.extend(inputs);
        self.sort_inputs();
    }

    fn sort_inputs(&mut self) {
        self.inputs.sort_by(|left, right| left.relative.cmp(&right.relative).then(left.role.cmp(&right.role)));
    }
}

/// Follows imports from the root file, level by level.
fn follow(sources: &Sources, module: &Module, closure: &mut Closure, absent: &mut Vec<PathBuf>) -> Result<()> {
    let root = closure.project_root.clone();
    let mut seen = BTreeSet::from([module.source_path.as_os_str().to_owned()]);
    let mut level = vec![(module.source_path.clone(), Role::Root)];
    while !level.is_empty() {
        let mut next = Vec::new();
        closure.inputs.reserve(level.len());
        for ((path, _), scanned) in level.iter().zip(scan_level(sources, &level, &root)?) {
            let scanned = match scanned {
                Found::File(scanned) => scanned,
                Found::Folder => continue,
                Found::Absent => {
                    absent.push(path.clone());
                    continue;
                }
            };
            if let Some(scan) = &scanned.scan {
                note(scan, &scanned.input, closure);
                for (path, role) in targets(scan, &scanned.input.path) {
                    if seen.insert(path.as_os_str().to_owned()) {
                        next.push((path, role));
                    }
                }
            }
            match scanned.scan {
                Some(scan) if scanned.input.role == Role::Root => closure.root_scan = scan,
                Some(scan) => closure.imported_scans.push((scanned.input.path.clone(), scan)),
                None => {}
            }
            closure.inputs.push(scanned.input);
        }
        level = next;
    }
    Ok(())
}

/// Reads and scans the files of one level, in parallel where that pays.
fn scan_level(sources: &Sources, level: &[(PathBuf, Role)], root: &Path) -> Result<Vec<Found<Scanned>>> {
    let one =
        |scanner: &mut Option<Scanner>, (path, role): &(PathBuf, Role)| scan_file(sources, scanner, path, *role, root);
    sources.workers().map(level.iter().collect(), one).into_iter().collect()
}

/// Looks up one file, scanned if it is Zig.
fn scan_file(
    sources: &Sources,
    scanner: &mut Option<Scanner>,
    path: &Path,
    role: Role,
    root: &Path,
) -> Result<Found<Scanned>> {
    let is_source = matches!(role, Role::Root | Role::Source);
    let bytes_max = if is_source { SOURCE_BYTES_MAX } else { INPUT_BYTES_MAX };
    let is_zig = is_source && path.extension().is_some_and(|extension| extension == "zig");
    let language = is_zig.then_some(source::Language::Zig);
    let found = match role {
        Role::Root => Found::File(sources.file(scanner, path, bytes_max, language)?),
        _ => sources.look_up(scanner, path, bytes_max, language)?,
    };
    Ok(found.map(|known| Scanned { input: input_of(&known, path, role, root), scan: language.map(|_| known.scan()) }))
}

/// Names a known file relative to `root`.
pub(crate) fn input_of(known: &Known, path: &Path, role: Role, root: &Path) -> Input {
    Input {
        path: path.to_owned(),
        relative: relative_to(path, root),
        role,
        digest: known.digest,
        stamp: known.stamp,
        trusted: known.trusted,
    }
}

/// Scans the bytes of one source with `scanner`, which is made when first used.
///
/// # Errors
/// The file is too large, or the component failed on it.
pub fn scan_bytes(
    scanner: &mut Option<Scanner>,
    path: &Path,
    bytes: &[u8],
    language: source::Language,
) -> Result<source::Scan> {
    let scanner = match scanner {
        Some(scanner) => scanner,
        None => scanner.insert(Scanner::new()?),
    };
    let failed = |reason: String| Error::Scan { path: path.to_owned(), reason };
    match scanner.scan(bytes, language) {
        Ok(Ok(scan)) => Ok(scan),
        Ok(Err(source::ScanError::SourceTooLarge(limit))) => Err(failed(format!("larger than {} MiB", limit >> 20))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Reads a file as an input that is named relative to `root`.
///
/// # Errors
/// It cannot be read, is no file, or is larger than `bytes_max`.
pub(crate) fn read_input(path: &Path, role: Role, root: &Path, bytes_max: u64) -> Result<(Input, Vec<u8>)> {
    let content = stamp::read(path, bytes_max)
        .map_err(|error| Error::Scan { path: path.to_owned(), reason: error.to_string() })?;
    let input = Input {
        path: path.to_owned(),
        relative: relative_to(path, root),
        role,
        digest: Digest::of(&content.bytes),
        stamp: content.stamp,
        trusted: content.trusted,
    };
    Ok((input, content.bytes))
}

/// Returns what a file is written in, by its name.
#[must_use]
pub fn language(path: &Path) -> source::Language {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("zon") => source::Language::Zon,
        Some("c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "m" | "mm" | "S" | "s") => source::Language::C,
        _ => source::Language::Zig,
    }
}

/// Records what a file's scan means for the whole module.
pub(crate) fn note(scan: &source::Scan, input: &Input, closure: &mut Closure) {
    let remarks = &mut closure.remarks;
    let mut remark = |line: u32, text: String| remarks.push(Remark { path: input.relative.clone(), line, text });
    if let Some(span) = scan.invalid {
        remark(span.line, format!("invalid token at column {}", span.column));
    }
    for dependency in &scan.dependencies {
        let operand = String::from_utf8_lossy(&dependency.operand);
        match dependency.kind {
            source::DependencyKind::CInclude => closure.c_import = true,
            source::DependencyKind::ZigImport if operand == "Python.h" => closure.translate_c = true,
            _ => {}
        }
        closure.is_computed |= !dependency.literal
            && matches!(dependency.kind, source::DependencyKind::ZigImport | source::DependencyKind::EmbedFile);
        if !dependency.literal && dependency.kind != source::DependencyKind::CDefine {
            remark(dependency.span.line, format!("operand `{operand}` is no string literal"));
        }
    }
    if scan.binding as u8 > closure.binding as u8 {
        closure.binding = scan.binding;
    }
}

/// Returns the Zig files that a file imports, whether they exist or not.
///
/// # Errors
/// The file cannot be read or scanned.
pub fn imports(sources: &Sources, scanner: &mut Option<Scanner>, path: &Path) -> Result<Vec<PathBuf>> {
    let known = sources.file(scanner, path, SOURCE_BYTES_MAX, Some(source::Language::Zig))?;
    let named = targets(&known.scan(), path).into_iter().filter(|(_, role)| *role == Role::Source);
    Ok(named.map(|(path, _)| path).filter(|path| path.extension().is_some_and(|end| end == "zig")).collect())
}

/// Resolves an import of a file as the compiler does; `None` for a module's name.
#[must_use]
pub fn imported_file(dependency: &source::Dependency, path: &Path) -> Option<PathBuf> {
    let operand = os_path(&dependency.operand);
    let is_file = operand.extension().is_some_and(|extension| extension == "zig" || extension == "zon");
    if !is_file || !dependency.literal || dependency.kind != source::DependencyKind::ZigImport {
        return None;
    }
    Some(normalize(&path.parent().unwrap_or(Path::new("/")).join(operand)))
}

/// The Zig sources and embedded files that a scan names, resolved as the
/// compiler resolves them. Headers are the concern of [`headers`].
fn targets(scan: &source::Scan, path: &Path) -> Vec<(PathBuf, Role)> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut found = Vec::new();
    for dependency in scan.dependencies.iter().filter(|dependency| dependency.literal) {
        if let Some(file) = imported_file(dependency, path) {
            found.push((file, Role::Source));
            continue;
        }
        if dependency.kind == source::DependencyKind::EmbedFile {
            found.push((normalize(&folder.join(os_path(&dependency.operand))), Role::Embedded));
        }
    }
    found
}

pub(crate) fn os_path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Takes every file of a project module's folder, and of the packages that it
/// names by path: its `build.zig` is a program, and it is not run to find out
/// what it reads. Links are followed, also out of the folder, because a build
/// follows them; each folder is listed once.
fn walk(sources: &Sources, module: &Module, closure: &mut Closure, absent: &mut Vec<PathBuf>) -> Result<()> {
    let folder = module.source_path.parent().unwrap_or(Path::new("/")).to_owned();
    let root = closure.project_root.clone();
    let failed = |path: &Path, reason: String| Error::Scan { path: path.to_owned(), reason };
    let mut listed = BTreeSet::new();
    let mut packages = BTreeSet::from([folder.clone()]);
    let mut pending = vec![folder];
    let mut scanner = None;
    while let Some(folder) = pending.pop() {
        let unreadable = |error: std::io::Error| failed(&folder, error.to_string());
        if !listed.insert(std::fs::canonicalize(&folder).map_err(unreadable)?) {
            continue;
        }
        let stamp = Stamp::at(&folder).map_err(unreadable)?;
        let listed_at = std::time::SystemTime::now();
        let digest = stamp::listing_digest(&folder).map_err(unreadable)?;
        let trusted = stamp.is_trusted(listed_at);
        closure.folders.push(Folder { path: folder.clone(), digest, stamp, trusted });
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if stamp::is_ignored(&entry.file_name().to_string_lossy()) {
                continue;
            }
            // A link that leads nowhere is no input; its name is in the listing.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                pending.push(path);
                continue;
            }
            if closure.inputs.len() == PROJECT_FILES_MAX {
                let reason = format!("its folder has more than {PROJECT_FILES_MAX} files");
                return Err(failed(&module.source_path, reason));
            }
            let role = if path == module.source_path { Role::Root } else { Role::Project };
            let names_packages =
                path.file_name().is_some_and(|name| name == "build.zig.zon") && packages.contains(&folder);
            let language = match role {
                Role::Root => Some(source::Language::Zig),
                _ => names_packages.then_some(source::Language::Zon),
            };
            let known = sources.file(&mut scanner, &path, INPUT_BYTES_MAX, language)?;
            if role == Role::Root {
                closure.root_scan = known.scan();
                note_reads(closure, &path);
            }
            closure.inputs.push(input_of(&known, &path, role, &root));
            if names_packages {
                for package in local_packages(&known.scan(), &path, closure) {
                    if package.is_dir() {
                        packages.insert(package.clone());
                        pending.push(package);
                    } else {
                        absent.push(package);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Says where a build file reads files by itself: which ones is not known without
/// running it, so only those in its folder are inputs.
fn note_reads(closure: &mut Closure, path: &Path) {
    let path = relative_to(path, &closure.project_root);
    let scan = Arc::clone(&closure.root_scan);
    let reads = scan.dependencies.iter().filter(|one| one.kind == source::DependencyKind::ConfigureRead);
    closure.remarks.extend(reads.map(|read| Remark {
        path: path.clone(),
        line: read.span.line,
        text: format!(
            "`{}` may read files outside of the project's folder, or ignored in it: a change in them is not seen \
             unless the folder has a link to them",
            String::from_utf8_lossy(&read.operand)
        ),
    }));
}

/// Returns the folders of the packages that a `build.zig.zon` names by path, and
/// records those that it names by hash.
fn local_packages(scan: &source::Scan, path: &Path, closure: &mut Closure) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut folders = Vec::new();
    for dependency in &scan.dependencies {
        let lazy = match dependency.kind {
            source::DependencyKind::PackagePath => {
                folders.push(normalize(&folder.join(os_path(&dependency.operand))));
                continue;
            }
            source::DependencyKind::PackageHash => false,
            source::DependencyKind::LazyPackageHash => true,
            _ => continue,
        };
        closure.packages.push(PinnedPackage {
            hash: String::from_utf8_lossy(&dependency.operand).into_owned(),
            lazy,
            named_by: path.to_owned(),
            line: dependency.span.line,
        });
    }
    folders
}

fn empty_scan() -> Arc<source::Scan> {
    Arc::new(source::Scan {
        dependencies: Vec::new(),
        declarations: Vec::new(),
        binding: source::Binding::Plain,
        features: source::BuildFeatures::empty(),
        settings: Vec::new(),
        doc: String::new(),
        invalid: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &Path) -> Module {
        Module::from_path(path).unwrap()
    }

    #[test]
    fn names_follow_packages() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("pkg/sub");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(folder.path().join("pkg/__init__.py"), "").unwrap();
        std::fs::write(inner.join("__init__.zig"), "").unwrap();
        std::fs::write(inner.join("fast.zig"), "").unwrap();
        assert_eq!(module(&inner.join("fast.zig")).name, "pkg.sub.fast");
        assert_eq!(module(&inner).name, "pkg.sub");
        assert_eq!(scan(&module(&inner.join("fast.zig"))).unwrap().inputs[0].relative, "pkg/sub/fast.zig");
    }

    #[test]
    fn init_symbols_follow_pep_489() {
        let named = |name: &str| Module { name: name.into(), source_path: "x.zig".into(), kind: ModuleKind::File };
        assert_eq!(named("a.b").init_symbol(), "PyInit_b");
        assert_eq!(named("größe").init_symbol(), "PyInitU_gre_6ka8i");
        assert!(named("my-module").check_name().unwrap_err().report().contains("my_module"));
        assert!(named("1st").check_name().is_err());
    }

    #[test]
    fn a_closure_has_files_at_every_depth_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("inner/deep")).unwrap();
        std::fs::write(
            root.join("m.zig"),
            "const a = @import(\"inner/a.zig\"); // @import(\"no.zig\")\nconst b = @import(\"./inner/../inner/a.zig\");\nconst gone = @import(\"gone.zig\");\n",
        )
        .unwrap();
        std::fs::write(
            root.join("inner/a.zig"),
            "const t = @embedFile(\"deep/t.txt\"); const m = @import(\"../m.zig\");",
        )
        .unwrap();
        std::fs::write(root.join("inner/deep/t.txt"), "@import(\"never.zig\")").unwrap();
        let closure = scan(&module(&root.join("m.zig"))).unwrap();
        let names: Vec<_> = closure.inputs.iter().map(|input| (input.relative.as_str(), input.role)).collect();
        assert_eq!(names, [("inner/a.zig", Role::Source), ("inner/deep/t.txt", Role::Embedded), ("m.zig", Role::Root)]);
        assert!(closure.absent.contains(&root.join("gone.zig")));
    }

    #[test]
    fn a_project_takes_its_folder_without_caches() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("p");
        for name in ["src", ".zig-cache", "zig-out"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("x.zig"), "").unwrap();
        }
        std::fs::write(root.join(".version"), "1").unwrap();
        #[cfg(unix)]
        {
            std::fs::write(folder.path().join("outside"), "").unwrap();
            std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
            std::os::unix::fs::symlink(".", root.join("loop")).unwrap();
        }
        std::fs::write(root.join("build.zig"), "const t = b.standardTargetOptions(.{});").unwrap();
        let closure = scan(&module(&root)).unwrap();
        let names: Vec<_> = closure.inputs.iter().map(|input| input.relative.as_str()).collect();
        #[cfg(unix)]
        assert_eq!(names, [".version", "build.zig", "link", "src/x.zig"]);
        assert_eq!(closure.folders.len(), 2);
        assert!(closure.root_scan.features.contains(source::BuildFeatures::STANDARD_TARGET_OPTIONS));
    }

    #[test]
    fn relative_names_go_up_where_they_must() {
        assert_eq!(relative_to(Path::new("/a/b/c.zig"), Path::new("/a")), "b/c.zig");
        assert_eq!(relative_to(Path::new("/a/x.zig"), Path::new("/a/b/c")), "../../x.zig");
        assert_eq!(relative_to(Path::new("/ab/c.zig"), Path::new("/a")), "../ab/c.zig");
        // However a path is written.
        for path in ["/a/b/.c", "/a//b/.c", "/a/./b/.c", "/a/b//.c/", "//a/b/./.c"] {
            assert_eq!(relative_to(Path::new(path), Path::new("/a")), "b/.c", "{path}");
        }
    }
}
