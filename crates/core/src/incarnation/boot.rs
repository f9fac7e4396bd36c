//! The computer, and its current boot.

/// Fields are empty if the system does not provide them.
pub(crate) struct Host {
    pub(crate) id: String,
    pub(crate) boot: String,
}

impl Host {
    #[cfg(target_os = "linux")]
    pub(crate) fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
        Self {
            id: read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id")).unwrap_or_default(),
            boot: read("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
        }
    }

    #[cfg(target_os = "macos")]
    pub(crate) fn here() -> Self {
        let read = |name| {
            let output = std::process::Command::new("/usr/sbin/sysctl").args(["-n", name]).output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        Self {
            id: read("kern.uuid").unwrap_or_default(),
            boot: read("kern.bootsessionuuid").unwrap_or_default(),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    pub(crate) fn here() -> Self {
        Self { id: String::new(), boot: String::new() }
    }
}
