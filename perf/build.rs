//! Where does the shared object come from that gives DPDK's own programs our packets?

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let source = PathBuf::from("../dpdk-bindings/src/preload.c");
    for file in ["preload.c", "generator.c", "generator.h"] {
        println!("cargo::rerun-if-changed=../dpdk-bindings/src/{file}");
    }
    let flags = Command::new("pkg-config").args(["--cflags", "libdpdk"]).output()?;
    let output = PathBuf::from(env::var("OUT_DIR")?).join("libsource.so");
    let mut compiler = cc::Build::new();
    // As the bindings compile it: the same work per packet for everybody.
    compiler.std("gnu11").opt_level(3).pic(true);
    for flag in String::from_utf8(flags.stdout)?.split_whitespace() {
        compiler.flag(flag);
    }
    let mut command = compiler.try_get_compiler()?.to_command();
    let status = command.arg("-shared").arg(&source).arg("-o").arg(&output).status()?;
    if !status.success() {
        return Err("preload.c does not compile: its messages are above".into());
    }
    println!("cargo::rustc-env=WEIR_PRELOAD={}", output.display());
    Ok(())
}
