/* erase <mtd device> <offset> <length>: the MEMERASE ioctl, which busybox has no command for.
 * Without a C library or headers, since the cross compiler comes without them. Exit status: the error number. */

/* MIPS o32: arch/mips/kernel/syscalls/syscall_o32.tbl, include/uapi/mtd/mtd-abi.h */
enum { SYS_OPEN = 4005, SYS_IOCTL = 4054 };
#define O_RDWR 2
#define MEMERASE 0x80084d02 /* _IOW('M', 2, struct erase_range) */

struct erase_range {
	unsigned start;
	unsigned length;
};

static int call(int number, int a, long b, long c)
{
	register int v0 __asm__("$2") = number;
	register int a0 __asm__("$4") = a;
	register long a1 __asm__("$5") = b;
	register long a2 __asm__("$6") = c;
	register int failed __asm__("$7");

	__asm__ volatile("syscall"
			 : "+r"(v0), "=r"(failed)
			 : "r"(a0), "r"(a1), "r"(a2)
			 : "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo", "memory");
	return failed ? -v0 : v0;
}

static unsigned decimal(const char *text)
{
	unsigned value = 0;

	while (*text)
		value = value * 10 + (unsigned)(*text++ - '0');
	return value;
}

__attribute__((used)) static int run(int argc, char **argv)
{
	struct erase_range range;
	int device;

	if (argc != 4)
		return 64;
	device = call(SYS_OPEN, (int)argv[1], O_RDWR, 0);
	if (device < 0)
		return -device;
	range.start = decimal(argv[2]);
	range.length = decimal(argv[3]);
	return -call(SYS_IOCTL, device, MEMERASE, (long)&range);
}

/* The kernel starts a program with argc at the stack pointer and argv above it. */
__asm__(".globl __start\n"
	"__start:\n"
	"	lw $4, 0($29)\n"
	"	addiu $5, $29, 4\n"
	"	addiu $29, $29, -24\n"
	"	jal run\n"
	"	move $4, $2\n"
	"	li $2, 4001\n" /* exit */
	"	syscall\n");
