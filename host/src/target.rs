//! The targets that a module can be built for, and what each needs.
//!
//! Always an explicit triple with a C library version and the baseline
//! processor: `native` would put this machine's kernel, C library and processor
//! into the artifact, and such an artifact cannot be shared.

/// The operating system family, where it changes flags or file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// ELF with glibc or musl.
    Linux,
    /// Mach-O.
    MacOs,
    /// PE, linked against an import library of `python3.dll`.
    Windows,
    /// A wasm side module for Pyodide.
    Emscripten,
}

/// One supported target.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in the command line, the plan and the store.
    pub label: &'static str,
    /// The triple given to Zig, with versions.
    pub triple: &'static str,
    /// The processor given to Zig.
    pub cpu: &'static str,
    /// The family.
    pub system: System,
    /// The machine argument of `zig dlltool`, for Windows.
    pub dlltool_machine: &'static str,
}

const fn target(label: &'static str, triple: &'static str, system: System) -> Target {
    Target { label, triple, cpu: "baseline", system, dlltool_machine: "" }
}

const fn windows(label: &'static str, triple: &'static str, dlltool_machine: &'static str) -> Target {
    Target { label, triple, cpu: "baseline", system: System::Windows, dlltool_machine }
}

/// Every supported target.
pub const TARGETS: &[Target] = &[
    target("x86_64-linux-gnu", "x86_64-linux-gnu.2.17", System::Linux),
    target("aarch64-linux-gnu", "aarch64-linux-gnu.2.17", System::Linux),
    target("armv7-linux-gnueabihf", "arm-linux-gnueabihf.2.17", System::Linux),
    target("i686-linux-gnu", "x86-linux-gnu.2.17", System::Linux),
    target("s390x-linux-gnu", "s390x-linux-gnu.2.17", System::Linux),
    target("riscv64-linux-gnu", "riscv64-linux-gnu.2.27", System::Linux),
    target("ppc64le-linux-gnu", "powerpc64le-linux-gnu.2.19", System::Linux),
    target("x86_64-linux-musl", "x86_64-linux-musl", System::Linux),
    target("aarch64-linux-musl", "aarch64-linux-musl", System::Linux),
    target("x86_64-macos", "x86_64-macos.10.13", System::MacOs),
    target("aarch64-macos", "aarch64-macos.11.0", System::MacOs),
    windows("x86_64-windows", "x86_64-windows-gnu", "i386:x86-64"),
    windows("aarch64-windows", "aarch64-windows-gnu", "arm64"),
    Target {
        label: "wasm32-emscripten",
        triple: "wasm32-emscripten",
        // Pyodide runs on engines without this feature.
        cpu: "baseline-extended_const",
        system: System::Emscripten,
        dlltool_machine: "",
    },
];

impl Target {
    /// Returns the target with this label or triple; `native` is this machine's.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        if name == "native" {
            return Some(Self::native());
        }
        TARGETS.iter().find(|target| target.label == name || target.triple == name)
    }

    /// Returns the target of the interpreter that loaded us.
    #[must_use]
    pub fn native() -> &'static Self {
        let label = if cfg!(target_os = "macos") {
            if cfg!(target_arch = "aarch64") { "aarch64-macos" } else { "x86_64-macos" }
        } else if cfg!(target_os = "windows") {
            if cfg!(target_arch = "aarch64") { "aarch64-windows" } else { "x86_64-windows" }
        } else {
            match (std::env::consts::ARCH, cfg!(target_env = "musl")) {
                ("aarch64", false) => "aarch64-linux-gnu",
                ("arm", _) => "armv7-linux-gnueabihf",
                ("x86", _) => "i686-linux-gnu",
                ("s390x", _) => "s390x-linux-gnu",
                ("riscv64", _) => "riscv64-linux-gnu",
                ("powerpc64", _) => "ppc64le-linux-gnu",
                ("x86_64", true) => "x86_64-linux-musl",
                ("aarch64", true) => "aarch64-linux-musl",
                _ => "x86_64-linux-gnu",
            }
        };
        TARGETS.iter().find(|target| target.label == label).expect("the native label is in the table")
    }

    /// Returns the suffix of a library file for this target in the store.
    #[must_use]
    pub fn library_suffix(&self) -> &'static str {
        match self.system {
            System::Windows => ".pyd",
            _ => ".so",
        }
    }

    /// Returns the suffix of an extension module that serves every CPython 3.
    #[must_use]
    pub fn stable_abi_suffix(&self) -> &'static str {
        match self.system {
            System::Windows => ".pyd",
            _ => ".abi3.so",
        }
    }

    /// Returns the suffix of an extension module for one version of CPython, made
    /// from that of the CPython of this machine.
    #[must_use]
    pub fn specific_suffix(&self, native_suffix: &str) -> String {
        if *self == *Self::native() {
            return native_suffix.to_owned();
        }
        let version: String =
            native_suffix.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        let arch = self.label.split('-').next().unwrap_or_default();
        match self.system {
            System::Windows if arch == "aarch64" => format!(".cp{version}-win_arm64.pyd"),
            System::Windows => format!(".cp{version}-win_amd64.pyd"),
            System::MacOs => format!(".cpython-{version}-darwin.so"),
            System::Emscripten => format!(".cpython-{version}-wasm32-emscripten.so"),
            System::Linux => {
                let platform = match self.label {
                    "armv7-linux-gnueabihf" => "arm-linux-gnueabihf",
                    "i686-linux-gnu" => "i386-linux-gnu",
                    "ppc64le-linux-gnu" => "powerpc64le-linux-gnu",
                    label => label,
                };
                format!(".cpython-{version}-{platform}.so")
            }
        }
    }

    /// Returns the triple as a line of Zig knows it.
    #[must_use]
    pub fn triple_for(&self, line: &str) -> &'static str {
        match (self.system, line) {
            // Zig 0.17 has no C library for Emscripten; the module needs none.
            (System::Emscripten, "0.17") => "wasm32-freestanding",
            _ => self.triple,
        }
    }

    /// Returns whether bytes are a library for the machine that this target is.
    #[must_use]
    pub fn is_library(&self, bytes: &[u8]) -> bool {
        let number = |at: usize, length: usize| {
            let bytes = bytes.get(at..at + length)?;
            Some(bytes.iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte)))
        };
        let machine = self.label.split('-').next().unwrap_or_default();
        match self.system {
            System::Linux => {
                // Class, byte order, kind of file and machine of the ELF header.
                let (class, order, code) = match machine {
                    "x86_64" => (2, 1, 62),
                    "aarch64" => (2, 1, 183),
                    "armv7" => (1, 1, 40),
                    "i686" => (1, 1, 3),
                    "s390x" => (2, 2, 22),
                    "riscv64" => (2, 1, 243),
                    "ppc64le" => (2, 1, 21),
                    _ => return false,
                };
                let half =
                    |at| number(at, 2).map(|half| if order == 2 { (half as u16).swap_bytes().into() } else { half });
                bytes.starts_with(&[0x7f, b'E', b'L', b'F', class, order])
                    && half(16) == Some(3)
                    && half(18) == Some(code)
            }
            System::MacOs => {
                let code = if machine == "aarch64" { 0x0100_000c } else { 0x0100_0007 };
                // A 64-bit Mach-O file for the processor that is a dynamic library.
                number(0, 4) == Some(0xfeed_facf) && number(4, 4) == Some(code) && number(12, 4) == Some(6)
            }
            System::Windows => {
                let code = if machine == "aarch64" { 0xaa64 } else { 0x8664 };
                let header = number(0x3c, 4).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX >> 1);
                bytes.starts_with(b"MZ") && number(header, 4) == Some(0x4550) && number(header + 4, 2) == Some(code)
            }
            System::Emscripten => bytes.starts_with(b"\0asm"),
        }
    }

    /// Returns whether the artifact links the C library (threads need it).
    #[must_use]
    pub fn links_libc(&self) -> bool {
        self.system == System::Linux
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_triples_find_their_target() {
        assert_eq!(Target::find("native"), Some(Target::native()));
        for target in TARGETS {
            assert_eq!(Target::find(target.label), Some(target));
            assert_eq!(Target::find(target.triple), Some(target));
        }
        assert_eq!(Target::find("pdp11-unix"), None);
    }

    #[test]
    fn a_library_is_of_its_target_and_of_no_other() {
        let elf = |class: u8, order: u8, kind: [u8; 2], machine: [u8; 2]| {
            [&[0x7f, b'E', b'L', b'F', class, order], &[0; 10][..], &kind, &machine, &[0; 44]].concat()
        };
        let macho =
            |machine: u32| [0xfeed_facfu32, machine, 0, 6].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
        let pe = |machine: u16| {
            let mut bytes = b"MZ".to_vec();
            bytes.resize(0x3c, 0);
            bytes.extend(0x80u32.to_le_bytes());
            bytes.resize(0x80, 0);
            bytes.extend(b"PE\0\0");
            bytes.extend(machine.to_le_bytes());
            bytes
        };
        let libraries = [
            ("x86_64-linux-gnu", elf(2, 1, [3, 0], [62, 0])),
            ("aarch64-linux-gnu", elf(2, 1, [3, 0], [183, 0])),
            ("s390x-linux-gnu", elf(2, 2, [0, 3], [0, 22])),
            ("i686-linux-gnu", elf(1, 1, [3, 0], [3, 0])),
            ("aarch64-macos", macho(0x0100_000c)),
            ("x86_64-macos", macho(0x0100_0007)),
            ("x86_64-windows", pe(0x8664)),
            ("aarch64-windows", pe(0xaa64)),
            ("wasm32-emscripten", b"\0asm\x01\0\0\0".to_vec()),
        ];
        for (label, _) in &libraries {
            let target = Target::find(label).unwrap();
            let fitting: Vec<&str> =
                libraries.iter().filter(|(_, bytes)| target.is_library(bytes)).map(|(label, _)| *label).collect();
            assert_eq!(fitting, [*label]);
        }
        // An object file, a program, and too little of a library.
        let native = Target::find("x86_64-linux-gnu").unwrap();
        assert!(!native.is_library(&elf(2, 1, [1, 0], [62, 0])) && !native.is_library(&elf(2, 1, [2, 0], [62, 0])));
        for (label, bytes) in &libraries {
            let target = Target::find(label).unwrap();
            assert!((0..3).all(|length| !target.is_library(&bytes[..length])));
        }
    }

    #[test]
    fn a_suffix_names_the_machine_that_the_library_is_for() {
        let suffix = |label: &str| Target::find(label).unwrap().specific_suffix(".cpython-311-x86_64-linux-gnu.so");
        assert_eq!(suffix("aarch64-linux-musl"), ".cpython-311-aarch64-linux-musl.so");
        assert_eq!(suffix("ppc64le-linux-gnu"), ".cpython-311-powerpc64le-linux-gnu.so");
        assert_eq!(suffix("x86_64-windows"), ".cp311-win_amd64.pyd");
        assert_eq!(suffix("aarch64-macos"), ".cpython-311-darwin.so");
        assert_eq!(suffix("native"), ".cpython-311-x86_64-linux-gnu.so");
    }
}
