//! The key: SHA-256 over everything that can change the artifact.
//!
//! | field | why it is in |
//! | --- | --- |
//! | format version | a changed encoding must not meet old entries |
//! | module name, init symbol | the library exports a symbol of that name |
//! | inputs: role, relative path, digest | the sources; a moved or renamed byte is another input |
//! | compiler version and identity | another compiler, another artifact |
//! | target triple, processor | likewise |
//! | optimize mode, flags | likewise |
//! | ABI tag, headers' identity | what the library may be loaded into |
//! | binding name and digest | our own Zig sources are compiled in, or a library's of this version |
//! | environment that the build sees | a `build.zig` can read it |
//! | component digests | they decided what the inputs are |
//! | salt | the user's own |
//!
//! Deliberately out: absolute paths, timestamps, user and host names, and the
//! settings that only say where or how verbosely something is done.
//!
//! Three levels. The *source key* leaves out what only a build needs, the
//! compiler and the Python headers, so that a machine without them can still
//! find an artifact; the *action key* adds them; the *artifact key* adds what
//! the compiler read beyond the scanned closure.

use crate::digest::{Digest, FieldHasher};

/// Raised when the encoding changes.
pub const FORMAT: u64 = 1;

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

/// Everything that the source key covers.
#[derive(Debug, Clone)]
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

    proptest! {
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
        }
    }
}
