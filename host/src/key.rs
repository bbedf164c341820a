//! The key: SHA-256 over everything that can change the artifact.
//!
//! | field | level | why it is in |
//! | --- | --- | --- |
//! | format version | source | a changed encoding must not meet old entries |
//! | module name, init symbol | source | the library exports a symbol of that name |
//! | inputs: role, relative path, digest | source | the sources; a moved or renamed byte is another input |
//! | target triple, processor | source | another machine, another artifact |
//! | optimize mode | source | likewise |
//! | flags | source | what a module's own file sets: C flags, libraries, whether debug information stays |
//! | ABI tag | source | what the library may be loaded into |
//! | binding name and digest | source | our own Zig sources are compiled in, or a library's of this version |
//! | environment that the build sees | source | a `build.zig` can read it |
//! | component digests | source | they decided what the inputs are |
//! | plugins: name, version, digest, view | source | likewise |
//! | salt | source | the user's own |
//! | compiler identity and version | action | another compiler, another artifact |
//! | headers' identity | action | structures of the Python that the library is compiled for |
//! | discovered inputs: path, digest | artifact | what the compiler read and no scan named |
//!
//! Deliberately out:
//!
//! | what | why |
//! | --- | --- |
//! | absolute paths, user and host names | two checkouts of a project share |
//! | timestamps, permissions, inodes | content decides; they only let a hash be skipped |
//! | where the store and the compiler lie | the compiler's identity is in |
//! | verbosity, workers, time and size limits, verification | how something is done, not what |
//! | `ZIGIMPORT_NATIVE` | what may be built, not what is made |
//! | files beside the module that nothing names | they cannot change it; those that a compile reads are discovered |
//! | digest of the library | Zig's Debug output differs from run to run: the entry records it |
//!
//! Three levels. The *source key* leaves out what only a build needs, the
//! compiler and the Python headers, so that a machine without them can still
//! find an artifact; the *action key* adds them; the *artifact key* adds what
//! the compiler read beyond the scanned closure.

use crate::digest::{Digest, FieldHasher};

/// Raised when the encoding changes.
pub const FORMAT: u64 = 2;

/// One input as the key sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInput {
    /// What the file is to the module.
    pub role: &'static str,
    /// Relative to the project root, with `/`.
    pub path: String,
    /// Of the content.
    pub digest: Digest,
}

/// A plugin that took part, as the key sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlugin {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Of its component.
    pub digest: Digest,
    /// Folders that it could read.
    pub view: Vec<String>,
}

/// Everything that the source key covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInputs {
    /// Last component of the dotted name, or all of it where the library has it.
    pub module: String,
    /// Name of the exported init function.
    pub init_symbol: String,
    /// Sorted by path.
    pub inputs: Vec<KeyInput>,
    /// Target triple.
    pub triple: String,
    /// Processor.
    pub cpu: String,
    /// Optimize mode.
    pub optimize: String,
    /// Further flags given to the compiler.
    pub flags: Vec<String>,
    /// ABI tag.
    pub abi: String,
    /// Binding name and digest of its sources.
    pub binding: (String, Digest),
    /// Variables that the build sees.
    pub environment: Vec<(String, String)>,
    /// Digests of the components that took part.
    pub components: Vec<(&'static str, Digest)>,
    /// The plugins that were asked about files of the module, sorted by name.
    pub plugins: Vec<KeyPlugin>,
    /// The user's salt.
    pub salt: String,
}

impl KeyInputs {
    /// Returns the key without the compiler.
    #[must_use]
    pub fn source_key(&self) -> Digest {
        // Taken apart without `..`, so that a new field does not compile until it is hashed.
        let Self {
            module,
            init_symbol,
            inputs,
            triple,
            cpu,
            optimize,
            flags,
            abi,
            binding,
            environment,
            components,
            plugins,
            salt,
        } = self;
        let mut hasher = FieldHasher::new("zigimport source key");
        hasher.field("format", &FORMAT.to_le_bytes());
        hasher.field("module", module.as_bytes());
        hasher.field("init symbol", init_symbol.as_bytes());
        hasher.count("inputs", inputs.len());
        for KeyInput { role, path, digest } in inputs {
            hasher.field("role", role.as_bytes());
            hasher.field("path", path.as_bytes());
            hasher.field("digest", &digest.0);
        }
        for (name, value) in [("triple", triple), ("cpu", cpu), ("optimize", optimize), ("abi", abi), ("salt", salt)] {
            hasher.field(name, value.as_bytes());
        }
        hasher.count("flags", flags.len());
        for flag in flags {
            hasher.field("flag", flag.as_bytes());
        }
        hasher.field("binding", binding.0.as_bytes());
        hasher.field("binding digest", &binding.1.0);
        hasher.count("environment", environment.len());
        for (name, value) in environment {
            hasher.field("name", name.as_bytes());
            hasher.field("value", value.as_bytes());
        }
        hasher.count("components", components.len());
        for (name, digest) in components {
            hasher.field("name", name.as_bytes());
            hasher.field("digest", &digest.0);
        }
        hasher.count("plugins", plugins.len());
        for KeyPlugin { name, version, digest, view } in plugins {
            hasher.field("name", name.as_bytes());
            hasher.field("version", version.as_bytes());
            hasher.field("digest", &digest.0);
            hasher.count("view", view.len());
            for folder in view {
                hasher.field("folder", folder.as_bytes());
            }
        }
        hasher.finish()
    }
}

/// Returns the action key: a source key, a compiler, and the Python headers
/// where they are used. The version counts beside the identity, because a
/// program may be a switch between several compilers.
#[must_use]
pub fn action_key(source_key: Digest, zig_identity: Digest, version: &str, headers: Option<Digest>) -> Digest {
    let mut hasher = FieldHasher::new("zigimport action key");
    hasher.field("source key", &source_key.0);
    hasher.field("zig", &zig_identity.0);
    hasher.field("zig version", version.as_bytes());
    hasher.field("headers", headers.as_ref().map_or(&[][..], |digest| &digest.0));
    hasher.finish()
}

/// Returns the artifact key: an action and the inputs that its build discovered.
#[must_use]
pub fn artifact_key<'a>(action_key: Digest, discovered: impl ExactSizeIterator<Item = (&'a str, Digest)>) -> Digest {
    let mut hasher = FieldHasher::new("zigimport artifact key");
    hasher.field("action key", &action_key.0);
    hasher.count("discovered", discovered.len());
    for (path, digest) in discovered {
        hasher.field("path", path.as_bytes());
        hasher.field("digest", &digest.0);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> KeyInputs {
        KeyInputs {
            module: "m".into(),
            init_symbol: "PyInit_m".into(),
            inputs: vec![KeyInput { role: "source", path: "m.zig".into(), digest: Digest::of(b"") }],
            triple: "x86_64-linux-gnu.2.17".into(),
            cpu: "baseline".into(),
            optimize: "Debug".into(),
            flags: vec!["-fstrip".into()],
            abi: "abi3".into(),
            binding: ("plain".into(), Digest::of(b"binding")),
            environment: vec![("A".into(), "1".into())],
            components: vec![("scanner", Digest::of(b"scanner"))],
            plugins: vec![KeyPlugin {
                name: "p".into(),
                version: "1".into(),
                digest: Digest::of(b"p"),
                view: vec!["v".into()],
            }],
            salt: String::new(),
        }
    }

    #[test]
    fn each_field_alone_changes_the_key() {
        type Change = fn(&mut KeyInputs);
        let changes: &[Change] = &[
            |k| k.module.push('x'),
            |k| k.init_symbol.push('x'),
            |k| k.inputs.clear(),
            |k| k.inputs[0].role = "embedded",
            |k| k.inputs[0].path = "n.zig".into(),
            |k| k.inputs[0].digest = Digest::of(b"x"),
            |k| k.triple.push('x'),
            |k| k.cpu = "native".into(),
            |k| k.optimize = "ReleaseFast".into(),
            |k| k.flags.push("-lc".into()),
            |k| k.abi = "cp311".into(),
            |k| k.binding.0 = "python-h".into(),
            |k| k.binding.1 = Digest::of(b"other"),
            |k| k.environment[0].0 = "B".into(),
            |k| k.environment[0].1 = "2".into(),
            |k| k.components[0].0 = "planner",
            |k| k.components[0].1 = Digest::of(b"x"),
            |k| k.plugins.clear(),
            |k| k.plugins[0].name.push('x'),
            |k| k.plugins[0].version.push('x'),
            |k| k.plugins[0].digest = Digest::of(b"x"),
            |k| k.plugins[0].view.clear(),
            |k| k.plugins[0].view[0].push('x'),
            |k| k.salt.push('x'),
        ];
        let mut keys = vec![sample().source_key()];
        for change in changes {
            let mut inputs = sample();
            change(&mut inputs);
            keys.push(inputs.source_key());
        }
        keys.push(action_key(keys[0], Digest::of(b"zig"), "0.16.0", None));
        keys.push(action_key(keys[0], Digest::of(b"zig"), "0.16.0", Some(Digest::of(b"headers"))));
        keys.push(action_key(keys[0], Digest::of(b"other zig"), "0.16.0", None));
        keys.push(action_key(keys[0], Digest::of(b"zig"), "0.15.2", None));
        keys.push(artifact_key(keys[0], [].into_iter()));
        keys.push(artifact_key(keys[0], [("h", Digest::of(b"h"))].into_iter()));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    /// Short texts of few letters, so that bytes move between neighbours often.
    const TEXT: &str = "[a-b]{0,2}";

    fn texts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(TEXT, 0..3)
    }

    prop_compose! {
        fn key_inputs()(
            files in proptest::collection::vec((prop_oneof![Just("source"), Just("embedded")], TEXT, TEXT), 0..3),
            fields in proptest::collection::vec(TEXT, 8),
            flags in texts(),
            environment in proptest::collection::vec((TEXT, TEXT), 0..3),
            components in proptest::collection::vec((prop_oneof![Just("scanner"), Just("planner")], TEXT), 0..3),
            plugins in proptest::collection::vec((TEXT, TEXT, TEXT, texts()), 0..3),
        ) -> KeyInputs {
            let mut fields = fields.into_iter();
            let mut next = || fields.next().unwrap_or_default();
            let digest = |text: &String| Digest::of(text.as_bytes());
            KeyInputs {
                module: next(),
                init_symbol: next(),
                inputs: files.iter().map(|(role, path, text)| KeyInput { role, path: path.clone(), digest: digest(text) }).collect(),
                triple: next(),
                cpu: next(),
                optimize: next(),
                flags,
                abi: next(),
                binding: (next(), Digest::of(b"binding")),
                environment,
                components: components.iter().map(|(name, text)| (*name, digest(text))).collect(),
                plugins: plugins
                    .into_iter()
                    .map(|(name, version, text, view)| KeyPlugin { name, version, digest: digest(&text), view })
                    .collect(),
                salt: next(),
            }
        }
    }

    proptest! {
        // Moved bytes between files, renamed files, another order, empty files.
        #[test]
        fn distinct_inputs_have_distinct_keys(
            left in proptest::collection::vec(("[a-c/]{0,3}", "[a-c]{0,3}"), 0..4),
            right in proptest::collection::vec(("[a-c/]{0,3}", "[a-c]{0,3}"), 0..4),
        ) {
            let key = |files: &[(String, String)]| {
                let mut inputs = sample();
                inputs.inputs = files
                    .iter()
                    .map(|(path, text)| KeyInput { role: "source", path: path.clone(), digest: Digest::of(text.as_bytes()) })
                    .collect();
                inputs.source_key()
            };
            prop_assert_eq!(left == right, key(&left) == key(&right));
            let discovered = |files: &[(String, String)]| {
                artifact_key(Digest::of(b"action"), files.iter().map(|(path, text)| (path.as_str(), Digest::of(text.as_bytes()))))
            };
            prop_assert_eq!(left == right, discovered(&left) == discovered(&right));
        }

        #[test]
        fn bytes_that_move_between_fields_give_another_key(left in key_inputs(), right in key_inputs()) {
            prop_assert_eq!(left == right, left.source_key() == right.source_key());
        }

        #[test]
        fn a_permutation_or_a_cut_elsewhere_gives_another_key(inputs in key_inputs(), cut in 0usize..3) {
            let mut swapped = inputs.clone();
            swapped.inputs.reverse();
            swapped.flags.reverse();
            swapped.environment.reverse();
            prop_assert_eq!(inputs == swapped, inputs.source_key() == swapped.source_key());
            // The same letters in the same order over two fields.
            let mut moved = inputs.clone();
            let both = format!("{}{}", moved.module, moved.init_symbol);
            let (module, init_symbol) = both.split_at(cut.min(both.len()));
            (moved.module, moved.init_symbol) = (module.to_owned(), init_symbol.to_owned());
            prop_assert_eq!(inputs == moved, inputs.source_key() == moved.source_key());
        }
    }
}
