# The first program of a donor's own initramfs. It says that it was started, and switches the machine off: in a kernel
# that carries ours, it never runs.

	.set	reorder
	.globl	__start
__start:
	li	$4, 1			# write(1, said, length)
	la	$5, said
	li	$6, said_end - said
	li	$2, 4004
	syscall
	li	$4, 0xfee1dead		# reboot(LINUX_REBOOT_CMD_POWER_OFF)
	li	$5, 0x28121969
	li	$6, 0x4321fedc
	li	$2, 4088
	syscall
1:	b	1b

	.data
said:	.ascii	"donor: its own /init was started\n"
said_end:
