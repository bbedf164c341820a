//! The dependency graph of a plan: modules, the files that they are made of,
//! and what was looked for and is not there. Each file is in it once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::closure::{self, Role};
use crate::digest::Digest;
use crate::guest::planning::{Action, Decision};
use crate::guest::source::{Dependency, DependencyKind, Scan};
use crate::parallel::Workers;
use crate::plan::{self, Context, Plan, Prepared};
use crate::render;
use crate::store::History;

/// Modules of Zig's own, which are part of the compiler, and ours.
const OWN_MODULES: &[&str] = &["std", "builtin", "root", "zigimport"];

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A module that can be imported, with its own file.
    Module,
    /// A Zig file that a module imports.
    Source,
    /// A file that is embedded.
    Embedded,
    /// A C header.
    Header,
    /// A C source.
    CSource,
    /// A file in the folder of a project module.
    Project,
    /// A file that a plugin names or reads.
    Tracked,
    /// A package, or another module that Zig code names.
    Package,
}

impl Kind {
    /// Returns the words for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Source => "Zig source",
            Self::Embedded => "embedded file",
            Self::Header => "C header",
            Self::CSource => "C source",
            Self::Project => "project file",
            Self::Tracked => "tracked file",
            Self::Package => "package",
        }
    }
}

/// What is to be said of a node: of a module what is done with it, of a file
/// how it compares with the last build. In the order in which one state hides
/// another one where modules differ about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A module that is refused.
    Refuse,
    /// A module that is built.
    Build,
    /// A module that is fetched from a shared cache.
    Fetch,
    /// A module that is unpacked.
    Restore,
    /// A module that is loaded as it is.
    Load,
    /// A module that an import does not come to.
    Skip,
    /// Named by a source, and not there.
    Absent,
    /// Not what it was when its module was built last.
    Changed,
    /// No part of what was built last.
    New,
    /// No longer part of what was built last.
    Removed,
    /// What it was when its module was built last.
    Unchanged,
    /// Not one of the project's files: not looked into here.
    External,
}

impl State {
    /// Every state, in the order of a legend.
    pub const ALL: [Self; 12] = [
        Self::Build,
        Self::Refuse,
        Self::Fetch,
        Self::Restore,
        Self::Load,
        Self::Skip,
        Self::Changed,
        Self::New,
        Self::Removed,
        Self::Absent,
        Self::Unchanged,
        Self::External,
    ];

    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Build => "build",
            Self::Fetch => "fetch",
            Self::Restore => "restore",
            Self::Load => "load",
            Self::Skip => "skip",
            Self::Absent => "absent",
            Self::Changed => "changed",
            Self::New => "new",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::External => "external",
        }
    }

    /// Returns what it means, for a legend.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Refuse => "module that cannot be built",
            Self::Build => "module to build",
            Self::Fetch => "module to fetch",
            Self::Restore => "module to unpack",
            Self::Load => "module to load",
            Self::Skip => "module not imported",
            Self::Absent => "named, not there",
            Self::Changed => "changed since the last build",
            Self::New => "not in the last build",
            Self::Removed => "gone since the last build",
            Self::Unchanged => "as in the last build",
            Self::External => "not of the project",
        }
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Module name, or path relative to the project root.
    pub label: String,
    /// What it stands for.
    pub kind: Kind,
    /// What is to be said of it.
    pub state: State,
    /// Further facts as pairs of name and value.
    pub facts: Vec<(&'static str, String)>,
}

/// One edge: the first node needs the second one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Index of the node that needs.
    pub from: usize,
    /// Index of the node that is needed.
    pub to: usize,
    /// How it is named, such as `@import`; empty for what no source names.
    pub how: Cow<'static, str>,
}

/// The graph of a plan.
#[derive(Debug, Default)]
pub struct Graph {
    /// Modules in the order of the plan, then what they need.
    pub nodes: Vec<Node>,
    /// Sorted, each once.
    pub edges: Vec<Edge>,
}

/// A file or module that a source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The source.
    pub from: PathBuf,
    /// What it names: a path, or a name in `module`.
    pub to: PathBuf,
    /// Whether `to` is the name of a Zig module or of an installed header, and no path.
    pub is_name: bool,
    /// How: such as `@import`, or by which plugin.
    pub how: Cow<'static, str>,
    /// Line in the source, from 1.
    pub line: u32,
}

/// Returns everything that the sources of a module name by a literal, and what
/// plugins say that they name.
#[must_use]
pub fn named(prepared: &Prepared) -> Vec<Named> {
    let closure = &prepared.closure;
    let own = &prepared.module.source_path;
    let folders = closure.include_folders(&prepared.module);
    let scans = std::iter::once((own, &closure.root_scan))
        .chain(closure.imported_scans.iter().map(|(path, scan)| (path, scan)));
    let mut found: Vec<Named> =
        scans.flat_map(|(path, scan)| named_by(path, scan, &closure.project_root, &folders)).collect();
    found.extend(closure.tracked.iter().map(|tracked| Named {
        from: tracked.from.clone(),
        to: tracked.to.clone(),
        is_name: false,
        how: format!("plugin {}", tracked.plugin).into(),
        line: tracked.line,
    }));
    found.sort_by(|left, right| {
        (&left.from, left.line, &left.to, &left.how).cmp(&(&right.from, right.line, &right.to, &right.how))
    });
    let mut seen = HashSet::new();
    let is_new: Vec<bool> = found
        .iter()
        .map(|named| seen.insert((named.from.as_os_str(), named.to.as_os_str(), named.how.as_ref())))
        .collect();
    let mut is_new = is_new.into_iter();
    found.retain(|_| is_new.next().unwrap_or(true));
    found
}

fn named_by<'a>(
    path: &'a Path,
    scan: &'a Scan,
    root: &'a Path,
    include_folders: &'a [PathBuf],
) -> impl Iterator<Item = Named> + 'a {
    scan.dependencies.iter().filter(|dependency| dependency.literal).filter_map(move |dependency| {
        let how = how(dependency)?;
        let operand = Path::new(std::str::from_utf8(&dependency.operand).ok()?);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let (to, is_name) = match dependency.kind {
            DependencyKind::ZigImport => match closure::imported_file(dependency, path) {
                Some(file) => (file, false),
                None if OWN_MODULES.iter().any(|name| Path::new(name) == operand) => return None,
                None => (operand.to_owned(), true),
            },
            DependencyKind::EmbedFile => (closure::normalize(&folder.join(operand)), false),
            kind => {
                // The assembler looks where the compiler runs, first.
                let first = (kind != DependencyKind::CInclude).then_some(root);
                let folders = first.into_iter().chain(include_folders.iter().map(PathBuf::as_path));
                let mut places = folders.map(|folder| closure::normalize(&folder.join(operand)));
                places.find(|path| path.is_file()).map_or((operand.to_owned(), true), |path| (path, false))
            }
        };
        Some(Named { from: path.to_owned(), to, is_name, how: how.into(), line: dependency.span.line })
    })
}

fn how(dependency: &Dependency) -> Option<&'static str> {
    match dependency.kind {
        DependencyKind::ZigImport => Some("@import"),
        DependencyKind::EmbedFile => Some("@embedFile"),
        DependencyKind::CInclude => Some("@cInclude"),
        DependencyKind::AssemblerEmbed => Some(".incbin"),
        DependencyKind::AssemblerInclude => Some(".include"),
        // No Zig source names a file by the others.
        DependencyKind::CDefine
        | DependencyKind::CUndef
        | DependencyKind::QuotedInclude
        | DependencyKind::AngledInclude
        | DependencyKind::NextInclude
        | DependencyKind::CEmbed
        | DependencyKind::ConfigureRead
        | DependencyKind::PackagePath
        | DependencyKind::PackageHash
        | DependencyKind::LazyPackageHash => None,
    }
}

/// What makes two nodes the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Identity {
    File(OsString),
    Name(String),
}

impl Identity {
    fn of(path: &Path) -> Self {
        Self::File(path.as_os_str().to_owned())
    }
}

/// Makes the graph of a plan.
#[must_use]
pub fn of(context: Context<'_>, plan: &Plan) -> Graph {
    let mut builder = Builder::default();
    let mut actions: Vec<Vec<&Action>> = plan.modules.iter().map(|_| Vec::new()).collect();
    for action in &plan.actions {
        actions[action.module as usize].push(action);
    }
    for (actions, prepared) in actions.iter().zip(&plan.modules) {
        builder.add_module(actions, prepared);
    }
    let looked_up = Workers::default().map(plan.modules.iter().collect(), |(): &mut (), prepared| LookedUp {
        history: prepared.targets.first().and_then(|target| plan::history(context, prepared, target)),
        named: named(prepared),
    });
    for (index, (prepared, looked_up)) in plan.modules.iter().zip(looked_up).enumerate() {
        builder.add_parts(index, prepared, looked_up);
    }
    let mut graph = builder.graph;
    graph.edges.sort();
    graph.edges.dedup();
    graph
}

/// What is read for a module.
struct LookedUp {
    history: Option<History>,
    named: Vec<Named>,
}

#[derive(Default)]
struct Builder {
    graph: Graph,
    known: HashMap<Identity, usize>,
    /// Nodes that something needs.
    needed: BTreeSet<usize>,
}

impl Builder {
    fn node(&mut self, identity: Identity, node: Node) -> usize {
        if let Some(&index) = self.known.get(&identity) {
            let there = &mut self.graph.nodes[index];
            there.state = there.state.min(node.state);
            return index;
        }
        self.graph.nodes.push(node);
        self.known.insert(identity, self.graph.nodes.len() - 1);
        self.graph.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, how: impl Into<Cow<'static, str>>) {
        self.graph.edges.push(Edge { from, to, how: how.into() });
        self.needed.insert(to);
    }

    fn add_module(&mut self, actions: &[&Action], prepared: &Prepared) {
        let state = actions.iter().map(|action| state_of(&action.decision)).min().unwrap_or(State::Skip);
        let module = &prepared.module;
        let root = &prepared.closure.project_root;
        let mut facts = vec![
            ("source", closure::relative_to(&module.source_path, root)),
            (
                "form",
                format!("{} module, {} binding", module.kind.name(), plan::binding_name(prepared.closure.binding)),
            ),
            ("settings", format!("{}, ABI {}", prepared.optimize.name(), prepared.abi)),
        ];
        for action in actions {
            let what = render::decision(&action.decision);
            facts.push(("action", format!("{what} for {}: {}", action.targets.join(", "), render::reason(action))));
        }
        for target in &prepared.targets {
            facts.push(("key", format!("{} ({})", target.action_key, target.target.label)));
        }
        for plugin in &prepared.closure.participants {
            facts.push(("plugin", format!("{}, asked about {}", plugin.describe(), plugin.files.join(", "))));
        }
        if let Some(failure) = &prepared.closure.plugin_failure {
            facts.push(("failure", failure.message()));
        }
        for remark in &prepared.closure.remarks {
            facts.push(("remark", format!("{}:{}: {}", remark.path, remark.line, remark.text)));
        }
        let node = Node { label: module.name.clone(), kind: Kind::Module, state, facts };
        self.node(Identity::of(&module.source_path), node);
    }

    fn add_parts(&mut self, index: usize, prepared: &Prepared, looked_up: LookedUp) {
        let closure = &prepared.closure;
        let root = &closure.project_root;
        let built: BTreeMap<String, Digest> = looked_up
            .history
            .into_iter()
            .flat_map(|history| history.inputs.into_iter().chain(history.discovered))
            .filter(|(_, digest)| *digest != Digest::ABSENT)
            .collect();
        for input in closure.inputs.iter().filter(|input| !matches!(input.role, Role::Root | Role::Library)) {
            let state = match built.get(&input.relative) {
                None => State::New,
                Some(digest) if *digest == input.digest => State::Unchanged,
                Some(_) => State::Changed,
            };
            let facts = vec![("digest", input.digest.hex())];
            let node = Node { label: input.relative.clone(), kind: kind_of(input.role), state, facts };
            self.node(Identity::of(&input.path), node);
        }
        let inputs: BTreeSet<&String> = closure.inputs.iter().map(|input| &input.relative).collect();
        for path in built.keys().filter(|path| !inputs.contains(path)) {
            let file = root.join(path);
            let state = if file.exists() { State::Unchanged } else { State::Removed };
            let facts = vec![("found by", "the compiler, or an earlier scan".to_owned())];
            let to = self.node(Identity::of(&file), Node { label: path.clone(), kind: Kind::Project, state, facts });
            self.edge(index, to, "");
        }
        if let Some(package) = &prepared.package {
            let facts = vec![("files", package.inputs.len().to_string())];
            let label = package.describe();
            let to = self.node(
                Identity::Name(label.clone()),
                Node { label, kind: Kind::Package, state: State::External, facts },
            );
            self.edge(index, to, "@import");
        }
        self.add_named(index, prepared, looked_up.named);
        // What no source names belongs to the module as a whole.
        for input in closure.inputs.iter().filter(|input| !matches!(input.role, Role::Root | Role::Library)) {
            let to = self.known[&Identity::of(&input.path)];
            if !self.needed.contains(&to) {
                self.edge(index, to, "");
            }
        }
    }

    fn add_named(&mut self, index: usize, prepared: &Prepared, named: Vec<Named>) {
        let root = &prepared.closure.project_root;
        for named in named {
            let from = self.known.get(&Identity::of(&named.from)).copied().unwrap_or(index);
            let is_library = prepared.package.is_some() && named.to == Path::new("pyz3");
            if is_library {
                continue;
            }
            let kind = match &*named.how {
                "@embedFile" => Kind::Embedded,
                "@cInclude" => Kind::Header,
                how if how.starts_with("plugin ") => Kind::Tracked,
                _ if named.is_name => Kind::Package,
                _ => Kind::Source,
            };
            let identity = match named.is_name {
                true => Identity::Name(named.to.to_string_lossy().into_owned()),
                false => Identity::of(&named.to),
            };
            let to = match self.known.get(&identity) {
                Some(&there) => there,
                None => {
                    let facts = vec![("line", format!("{}:{}", closure::relative_to(&named.from, root), named.line))];
                    let (label, state) = match &identity {
                        Identity::Name(name) => (name.clone(), State::External),
                        Identity::File(_) if named.to.exists() => {
                            (closure::relative_to(&named.to, root), State::External)
                        }
                        Identity::File(_) => (closure::relative_to(&named.to, root), State::Absent),
                    };
                    self.node(identity, Node { label, kind, state, facts })
                }
            };
            self.edge(from, to, named.how);
        }
    }
}

fn state_of(decision: &Decision) -> State {
    match decision {
        Decision::Load => State::Load,
        Decision::Restore => State::Restore,
        Decision::Fetch => State::Fetch,
        Decision::Build(_) => State::Build,
        Decision::Refuse(_) => State::Refuse,
        Decision::Skip => State::Skip,
    }
}

fn kind_of(role: Role) -> Kind {
    match role {
        Role::Root => Kind::Module,
        Role::Source => Kind::Source,
        Role::Embedded => Kind::Embedded,
        Role::Header => Kind::Header,
        Role::CSource => Kind::CSource,
        Role::Project => Kind::Project,
        Role::Library => Kind::Package,
        Role::Tracked => Kind::Tracked,
    }
}
