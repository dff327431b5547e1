//! The profiles of a made-up camera whose flash is small enough to try everything.

pub const SOC: &str = r#"
name = "tiny"
family = 0x0777

[registers]
family = 0x1300002C
type = 0x13540238
serial = [0x13540200]

[flash]
size = "512K"
erase_block = "8K"
page = 256
boot_search = "40K"

[kernel]
ram = "64M"
memory = "mem=64M"
console = "ttyS1,115200n8"

[sd_boot]
longest_file = "0x990040"
buffers = [0x80600000]

[[chip]]
name = "tiny1"
type = 0x1111
group = "tiny"
ram = "64M"

[[chip]]
name = "tiny2"
type = 0x2222
group = "other"
ram = "64M"

[[chip]]
name = "poor"
type = 0x3333
group = "tiny"
ram = "32M"

[[board]]
models = ["open"]

[[board.led]]
gpio = 7
active = "low"
colour = "red"
"#;

/// Like a stock firmware: many partitions, none for an environment.
pub const ALPHA: &str = r#"
[firmware]
name = "alpha"
sd_kernels = ["alpha_kernel"]

[[detect.firmware]]
boot_contains = ["ALPHA U-Boot"]

[[detect.model]]
code = "locked"
secure_boot = true
boot_contains = "LOCKED MODEL"

[[detect.model]]
code = "open"
boot_contains = "ALPHA U-Boot"

[pending_upgrade]
offset = "0x7A000"
size = "24K"
text = "FWGRADEUP="

[[layout]]
name = "factory"

[[layout.partition]]
name = "boot"
size = "40K"
format = "raw"

[[layout.partition]]
name = "kernel"
size = "88K"
format = "uimage"

[[layout.partition]]
name = "rootfs"
size = "192K"
format = "squashfs"

[[layout.partition]]
name = "kback"
size = "64K"
format = "vfat"
switch = "format"

[[layout.partition]]
name = "aback"
size = "56K"
format = "raw"
switch = "leave"

[[layout.partition]]
name = "cfg"
size = "48K"
format = "jffs2"
switch = "format"

[[layout.partition]]
name = "para"
size = "24K"
format = "raw"
switch = "erase"
"#;

/// Like thingino: a longer boot partition, an environment, one partition for the rest.
pub const BETA: &str = r#"
[firmware]
name = "beta"
sd_kernels = ["beta_kernel", "alpha_kernel"]

[[detect.firmware]]
boot_contains = ["BETA U-Boot"]

[[layout]]
name = "old"

[[layout.evidence]]
kernel_at = "0xE000"

[[layout.partition]]
name = "boot"
size = "48K"
format = "raw"

[[layout.partition]]
name = "env"
size = "8K"
format = "raw"
switch = "erase"

[[layout.partition]]
name = "ota"
size = "456K"
format = "bundle"

[[layout]]
name = "new"
sd_kernels = []

[[layout.evidence]]
kernel_at = "0x10000"

[[layout.partition]]
name = "boot"
size = "48K"
format = "raw"

[[layout.partition]]
name = "env"
size = "16K"
format = "raw"

[[layout.partition]]
name = "ota"
size = "448K"
format = "bundle"
"#;
