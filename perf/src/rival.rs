//! What do DPDK's own forwarders cost with the same packets?
//!
//! Each dpdk-testpmd is started once, with the source preloaded, and held by SIGSTOP; a window is
//! SIGCONT, a while, SIGSTOP. Packets are counted by the source, processor time by the kernel:
//! both are exact once the process stands still.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use dpdk::{MADE_AT, Source};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kind::Family;
use crate::meter::Sample;

/// The forwarders, by testpmd's names: over IPv6 only that which reads addresses.
#[must_use]
pub const fn forwarders(family: Family) -> &'static [&'static str] {
    match family {
        Family::V4 => &["io", "macswap", "5tswap"],
        Family::V6 => &["5tswap"],
    }
}

/// One running testpmd.
pub struct Rival {
    /// Its forwarding mode.
    pub name: &'static str,
    child: Child,
    source: File,
    _directory: tempfile::TempDir,
}

impl Rival {
    /// A testpmd that forwards on `processor`, standing still.
    ///
    /// # Errors
    /// When it cannot be started or receives nothing.
    pub fn start(
        name: &'static str,
        source: &Source,
        processor: usize,
        hugepages: bool,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("source");
        {
            let mut writer = std::io::BufWriter::new(File::create(&path)?);
            source.write_to(&mut writer)?;
            std::io::Write::flush(&mut writer)?;
        }
        let child = command(name, &path, processor, hugepages)
            .spawn()
            .context("dpdk-testpmd does not start: is Debian's package dpdk installed?")?;
        let source = File::open(&path)?;
        let mut rival = Self { name, child, source, _directory: directory };
        rival.wait_for_packets()?;
        rival.stop()?;
        Ok(rival)
    }

    /// One window of forwarding.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn run(&mut self, window: Duration) -> anyhow::Result<Sample> {
        let (packets, time) = (self.packets()?, self.processor_time()?);
        self.signal(Signal::SIGCONT)?;
        sleep(window);
        self.stop()?;
        let packets = self.packets()? - packets;
        Ok(Sample { packets, nanoseconds: self.processor_time()? - time, events: None })
    }

    fn wait_for_packets(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.packets()? == 0 {
            if let Some(status) = self.child.try_wait()? {
                bail!("dpdk-testpmd {} ended with {status}", self.name);
            }
            if began.elapsed() > Duration::from_secs(20) {
                bail!("dpdk-testpmd {} receives no packets", self.name);
            }
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_millis(100));
        Ok(())
    }

    fn packets(&self) -> anyhow::Result<u64> {
        let mut bytes = [0; 8];
        self.source.read_exact_at(&mut bytes, MADE_AT)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Stops the process and waits until it stands.
    fn stop(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        for _ in 0..10_000 {
            if self.each_thread("stat")?.iter().all(|stat| stat.contains(") T ")) {
                return Ok(());
            }
            sleep(Duration::from_micros(100));
        }
        bail!("dpdk-testpmd {} does not stop", self.name)
    }

    /// Nanoseconds on a processor, all threads together (proc(5), schedstat).
    fn processor_time(&self) -> anyhow::Result<u64> {
        let stats = self.each_thread("schedstat")?;
        let first = |text: &String| text.split(' ').next().and_then(|it| it.parse::<u64>().ok());
        stats.iter().map(|text| first(text).context("a number in schedstat")).sum()
    }

    fn each_thread(&self, file: &str) -> anyhow::Result<Vec<String>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        tasks.map(|task| Ok(fs::read_to_string(task?.path().join(file))?)).collect()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // A process that is gone already is as good as killed.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn command(name: &str, source: &Path, processor: usize, hugepages: bool) -> Command {
    let mut command = Command::new("dpdk-testpmd");
    command
        .env("LD_PRELOAD", env!("WEIR_PRELOAD"))
        .env("WEIR_SOURCE", source)
        .args(["--lcores", &format!("0,1@{processor}"), "--main-lcore", "0"])
        .args(["--no-pci", "--no-telemetry", "--vdev=net_null0,size=64"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if hugepages {
        command.args(["--in-memory", "-m", "64"]);
    } else {
        // Two of one name can run, each with a source of its own.
        let place = source.parent().and_then(Path::file_name).unwrap_or_default();
        let prefix = format!("--file-prefix=weir-rival-{}", place.display());
        command.args(["--no-huge", "-m", "128", "--no-shconf", &prefix]);
    }
    command.args(["--", "--nb-cores=1", "--total-num-mbufs=4096", "--no-flush-rx"]);
    command.args(["--port-topology=loop", "--burst=32", &format!("--forward-mode={name}")]);
    command
}
