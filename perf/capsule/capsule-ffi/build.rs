//! Which names of DPDK does capsule import, and how do they reach it?
//!
//! ```text
//! pkg-config libdpdk ──► flags ──┬─► cc      src/shim.c   ──► libcapsule_shim.a
//!                                └─► bindgen src/shim.h   ──► $OUT_DIR/bindings.rs
//! ```
//!
//! The libraries themselves are linked by `dpdk-sys`.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use bindgen::callbacks::{EnumVariantValue, ItemInfo, ParseCallbacks};

const FUNCTIONS: &[&str] = &[
    "_rte_.*",
    "numa_node_of_cpu",
    "rte_eal_(init|cleanup)",
    "rte_eth_allmulticast_(enable|disable)",
    "rte_eth_dev_(adjust_nb_rx_tx_desc|close|configure|info_get|socket_id|start|stop)",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_(enable|disable)",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_stats_get",
    "rte_kni_.*",
    "rte_mempool_(free|in_use_count)",
    "rte_pktmbuf_pool_create",
    "rte_socket_(count|id|id_by_idx)",
    "rte_strerror",
    "rte_thread_set_affinity",
];

const CONSTANTS: &[&str] =
    &["DEV_TX_OFFLOAD_MBUF_FAST_FREE", "ETH_RSS_(IP|TCP|UDP|SCTP)", "RTE_MBUF_DEFAULT_BUF_SIZE"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in ["shim.c", "shim.h"] {
        println!("cargo::rerun-if-changed=src/{file}");
    }
    let output = Command::new("pkg-config").args(["--cflags", "libdpdk"]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let flags = String::from_utf8(output.stdout)?;
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let mut compiler = cc::Build::new();
    // As the shim of the bindings is compiled.
    compiler.file("src/shim.c").std("gnu11").opt_level(3);
    for flag in &flags {
        compiler.flag(flag);
    }
    compiler.compile("capsule_shim");
    generate_bindings(&flags)
}

fn generate_bindings(flags: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut builder = bindgen::Builder::default()
        .header("src/shim.h")
        .clang_args(flags)
        .parse_callbacks(Box::new(OldNames))
        .newtype_enum("rte_eth_rx_mq_mode")
        .layout_tests(false)
        .generate_comments(false)
        .derive_default(true)
        .rust_edition(bindgen::RustEdition::Edition2024);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for constant in CONSTANTS {
        builder = builder.allowlist_var(constant);
    }
    let output = PathBuf::from(env::var("OUT_DIR")?).join("bindings.rs");
    builder.generate()?.write_to_file(output)?;
    Ok(())
}

/// The names that capsule knows things by.
#[derive(Debug)]
struct OldNames;

impl ParseCallbacks for OldNames {
    /// DPDK 21.11 put `RTE_` before the constants of its enumerations.
    fn enum_variant_name(
        &self,
        _enum_name: Option<&str>,
        variant: &str,
        _value: EnumVariantValue,
    ) -> Option<String> {
        variant.strip_prefix("RTE_").filter(|name| name.starts_with("ETH_MQ_")).map(str::to_owned)
    }

    /// The bindings start and end EAL: what capsule takes for that is answered by the shim.
    fn generated_link_name_override(&self, item: ItemInfo<'_>) -> Option<String> {
        item.name.strip_prefix("rte_eal_").map(|name| format!("capsule_eal_{name}"))
    }
}
