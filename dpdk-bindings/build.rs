//! Which DPDK is here, and what of it does this crate speak to?
//!
//! ```text
//! pkg-config libdpdk ──► flags ──┬─► cc      src/shim.c   ──► libweir_shim.a
//!                                └─► bindgen src/shim.h   ──► $OUT_DIR/bindings.rs
//! ```
//!
//! Drivers are not linked: a shared DPDK loads every driver of its plugin directory when EAL
//! starts, and that is where Debian keeps them.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

const OLDEST_DPDK: &str = "22.11";

/// The libraries whose symbols are used, either here or by inline functions of DPDK's headers.
/// `rte_log` was split from `rte_eal` in 23.11; what an older DPDK lacks is skipped.
const LIBRARIES: &[&str] =
    &["rte_eal", "rte_log", "rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring"];

/// Every function of DPDK that is called from Rust. `weir_*` are those of the shim.
const FUNCTIONS: &[&str] = &[
    "rte_dev_probe",
    "rte_eal_cleanup",
    "rte_version",
    "rte_eal_has_hugepages",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_rss_reta_query",
    "rte_eth_dev_rss_reta_update",
    "rte_eth_dev_rx_offload_name",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_tx_offload_name",
    "rte_eth_find_next",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_get",
    "rte_get_tsc_hz",
    "rte_lcore_count",
    "rte_log_set_global_level",
    "rte_log_set_level_pattern",
    "rte_mempool_avail_count",
    "rte_mempool_free",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_free_bulk",
    "rte_pktmbuf_pool_create",
    "rte_ring_create_elem",
    "rte_ring_free",
    "rte_socket_id",
    "rte_thread_register",
    "rte_thread_unregister",
    "weir_alloc_bulk",
    "weir_cycles",
    "weir_eal_init",
    "weir_errno",
    "weir_generate_into",
    "weir_generate_no_more",
    "weir_lcore_id",
    "weir_log_to",
    "weir_port_configure",
    "weir_port_info",
    "weir_port_link",
    "weir_port_rss",
    "weir_port_rx_queue",
    "weir_port_set_rss",
    "weir_port_stats",
    "weir_port_tx_queue",
    "weir_ring_count",
    "weir_ring_receive",
    "weir_ring_send",
    "weir_rss_name",
    "weir_rx_burst",
    "weir_softrss",
    "weir_tx_burst",
];

/// Every structure whose content Rust reads or writes. What else crosses the boundary crosses it
/// by pointer and is declared without content in `raw.rs`.
const TYPES: &[&str] = &[
    "rte_eth_rss_reta_entry64",
    "rte_ether_addr",
    "weir_generator",
    "weir_port_info",
    "weir_port_link",
    "weir_port_request",
    "weir_port_stats",
    "weir_slot",
    "weir_step",
    "weir_template",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in ["shim.c", "shim.h", "generator.c", "generator.h"] {
        println!("cargo::rerun-if-changed=src/{file}");
    }
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let flags = compiler_flags()?;
    compile_shim(&flags);
    generate_bindings(&flags)?;
    // After the shim: a linker that drops unneeded libraries must see the need first.
    link()
}

fn compiler_flags() -> Result<Vec<String>, Box<dyn Error>> {
    let wanted = format!("--atleast-version={OLDEST_DPDK}");
    if pkg_config(&[&wanted]).is_err() {
        let found = pkg_config(&["--modversion"]).unwrap_or_else(|_| "none".to_owned());
        return Err(format!(
            "DPDK {OLDEST_DPDK} or later is needed and pkg-config finds {}: install its \
             development package (Debian: `apt install libdpdk-dev pkg-config`).",
            found.trim()
        )
        .into());
    }
    Ok(pkg_config(&["--cflags"])?.split_whitespace().map(str::to_owned).collect())
}

fn compile_shim(flags: &[String]) {
    let mut compiler = cc::Build::new();
    // The shim is the inner loop of the data path, also of a debug build.
    compiler.files(["src/shim.c", "src/generator.c"]).std("gnu11").opt_level(3);
    for flag in flags {
        compiler.flag(flag);
    }
    compiler.compile("weir_shim");
}

fn generate_bindings(flags: &[String]) -> Result<(), Box<dyn Error>> {
    let mut builder = bindgen::Builder::default()
        .header("src/shim.h")
        .clang_args(flags)
        .allowlist_var("WEIR_[A-Z0-9_]+")
        .allowlist_var("E(PERM|NOENT|IO|NXIO|AGAIN|NOMEM|ACCES|BUSY|EXIST|NODEV|INVAL|NOSPC)")
        .allowlist_var("E(NOBUFS|NOSYS|NOTSUP|ALREADY|RANGE|NOEXEC|PROTO)")
        .allowlist_recursively(false)
        .layout_tests(false)
        .generate_comments(false)
        .derive_default(true)
        .rust_edition(bindgen::RustEdition::Edition2024);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    let output = PathBuf::from(env::var("OUT_DIR")?).join("bindings.rs");
    builder.generate()?.write_to_file(output)?;
    Ok(())
}

fn link() -> Result<(), Box<dyn Error>> {
    let flags = pkg_config(&["--libs"])?;
    for flag in flags.split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={folder}");
        }
        if let Some(library) = flag.strip_prefix("-l")
            && LIBRARIES.contains(&library)
        {
            println!("cargo::rustc-link-lib=dylib={library}");
        }
    }
    Ok(())
}

fn pkg_config(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let output = Command::new(program).args(arguments).arg("libdpdk").output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
