//! What somebody reads who has opened a shell.

/// While a run waits for its operations.
pub const BEFORE: &str = "\
A key was pressed: here is a shell. Nothing has been done yet; \"exit\" lets the run go on.
So do ten minutes without a key; \"TMOUT=0\" keeps the shell.

  card         /sdcard (if it is empty: mount -t vfat /dev/mmcblk0p1 /sdcard)
  the plan     wz plan
  the camera   wz info, wz partition list, wz profile list
  configure    vi /sdcard/wz_flash-helper/general.conf
  by hand      wz backup, wz restore PARTITION.., wz switch FIRMWARE, wz run
  all of it    wz help

What you change counts: configuration and plan are read anew when you leave with \"exit\".";

/// When the run is over.
pub const AFTER: &str = "\
A key was pressed: here is a shell. The run is over; leave it with \"exit\".
Ten minutes without a key end it, too; \"TMOUT=0\" keeps it.

  card         /sdcard (if it is empty: mount -t vfat /dev/mmcblk0p1 /sdcard)
  what was     cat /sdcard/wz_flash-helper/initramfs_serial.log
  by hand      wz backup, wz restore PARTITION.., wz switch FIRMWARE, wz run
  all of it    wz help";

/// What the program says that is started by hand.
pub const BY_HAND: &str = "\
This is the first program of the camera's SD kernel, and it runs already. Nothing was done.
To do by hand what general.conf asks for, type: wz run
To see what that would be: wz plan. All commands: wz help. To leave the shell: exit";
